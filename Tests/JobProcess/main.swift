import Dama
import DamaSupport
import Glibc
import JobTestSupport

// JobProcess FOLDER OUTPUT [DELAY]: scores FOLDER/pairs.jsonl with the noisy AngleEncoder, for tests that kill the
// process.
let arguments = CommandLine.arguments
guard arguments.count >= 3 else { exit(64) }
var options = ScoreOptions(data: arguments[1] + "/pairs.jsonl", output: arguments[2])
options.rows.blockRows = 4
// The cache holds about 80 embeddings, so that the ring wraps around many times.
options.cacheBytes = 17_000
options.imagesPerStep = 2
options.sentencesPerStep = 3
let encoder = AngleEncoder(noise: 1e-3, delayMicroseconds: arguments.count > 3 ? UInt32(arguments[3]) ?? 0 : 0)
do {
    try ScoreJob(options, encoder: encoder, splitter: FullStopSplitter()).run()
} catch {
    let message = Array("\(error)\n".utf8)
    _ = write(2, message, message.count)
    exit(1)
}
