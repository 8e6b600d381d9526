import Dama
import Glibc
import Synchronization

/// An encoder with known answers: images and sentences are angles in a plane, Γ = 10 · cos(difference).
///
/// An image is a file `ANGLE <number>`. A sentence ends in `@<number>`; without it its angle is 0. With ``noise`` an
/// embedding also depends on the other elements of its batch, much more than with any real model: equal results then
/// prove equal batches.
package final class AngleEncoder: ImageTextEncoder {
    package let dimension = 2
    package let logitScale: Float = 10
    package let tokenLimit = 77
    package let fingerprint: String
    private let noise: Double
    private let delay: UInt32
    private let counts = Mutex((images: 0, texts: 0))

    package init(noise: Double = 0, fingerprint: String = "angles", delayMicroseconds: UInt32 = 0) {
        self.noise = noise
        self.fingerprint = fingerprint
        delay = delayMicroseconds
    }

    /// The number of embedded images and sentences.
    package var embedded: (images: Int, texts: Int) { counts.withLock { $0 } }

    package func tokenCount(_ text: String) throws(DamaError) -> Int { text.split(separator: " ").count + 2 }

    package func prepare(imageBytes: [UInt8]) throws(DamaError) -> PreparedImage {
        let text = String(decoding: imageBytes, as: UTF8.self)
        if text.hasPrefix("BOMB") { throw .outOfMemory("image has 10^12 pixels; the limit is 10^8") }
        if text.hasPrefix("GIF") { throw .unsupported("the image is a GIF") }
        guard text.hasPrefix("ANGLE "), let angle = Float(text.dropFirst(6)) else {
            throw .model("not an image")
        }
        return PreparedImage(pixels: [angle], height: 1, width: 1)
    }

    package func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        try run?.check()
        counts.withLock { $0.images += images.count }
        return embed(images.map { Double($0.pixels[0]) })
    }

    package func embed(texts: [String], run: RunOptions?) throws(DamaError) -> [[Float]] {
        try run?.check()
        counts.withLock { $0.texts += texts.count }
        return embed(texts.map { Self.angle(of: $0) })
    }

    /// Γ for one image and sentence, without noise, in double precision.
    package static func score(imageAngle: Double, sentence: String) -> Double {
        10 * cos(imageAngle - angle(of: sentence))
    }

    private static func angle(of sentence: String) -> Double {
        sentence.split(separator: "@").last.flatMap { Double($0) } ?? 0
    }

    private func embed(_ angles: [Double]) -> [[Float]] {
        if delay > 0 { usleep(delay) }
        let sum = angles.reduce(0, +)
        return angles.enumerated().map { position, angle in
            let shifted = angle + noise * (sum + Double(position) + Double(angles.count))
            return [Float(cos(shifted)), Float(sin(shifted))]
        }
    }
}

/// Splits at full stops followed by a space.
package struct FullStopSplitter: ResponseSplitter {
    package let name: String

    package init(name: String = "full stops") { self.name = name }

    package func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse {
        if response.hasPrefix("UNSPLITTABLE") { throw .model("no place to split at") }
        // A full stop inside a number does not end a sentence.
        var parts = [""]
        for word in response.split(separator: " ") {
            parts[parts.count - 1] +=
                (parts[parts.count - 1].isEmpty ? "" : " ") + (word.hasSuffix(".") ? word.dropLast() : word)
            if word.hasSuffix(".") { parts.append("") }
        }
        parts.removeAll { $0.allSatisfy { $0 == "." } }
        return SplitResponse(parts)
    }
}
