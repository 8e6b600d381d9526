import Glibc

@testable import Dama
@testable import DamaKernels
@testable import DamaModels
@testable import DamaSupport
@testable import DamaTraining

/// The fields of a checkpoint beside its tensors, in a file with a valid digest. Any text gives a ``DamaError``, or
/// counts from which training can continue. A job of 100 batches accepts the note only if it belongs to one of them.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCheckpoint(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: data, count: size)
    let numbers: [Float] = [1, 2, 3]
    let path = "/dev/shm/dama-fuzz-\(getpid()).safetensors"
    defer { unlink(path) }
    numbers.withUnsafeBytes { numbers in
        let text = String(decoding: bytes, as: UTF8.self)
        let tensor = SafetensorsWriter.Tensor(name: "value.w", type: .float32, shape: [3], bytes: numbers)
        do throws(DamaError) {
            try SafetensorsWriter.write(
                [tensor], metadata: TrainerState.metadata(text, [("value.w", numbers)]), to: path)
        } catch {
            fatalError("\(error)")
        }
    }
    guard let file = try? SafetensorsFile(path: path), let state = try? TrainerState(checkpoint: file) else { return 0 }
    goOn(from: state)
    return 0
}

private func goOn(from state: TrainerState) {
    // Counts as in Trainer.
    let (next, left) = (state.steps + 1, state.skipped + 1)
    guard next > 0, left > 0 else { fatalError("counts of \(state.steps) and \(state.skipped)") }
    if let schedule = try? LearningRateSchedule(.cosine, learningRate: 1, totalSteps: 100, warmUp: .ratio(0.1)) {
        let rate = schedule.rate(at: state.steps)
        guard rate >= 0, rate <= 1 else { fatalError("a rate of \(rate)") }
    }
    var (parameters, first, second): ([Float], [Float], [Float]) = ([1, 2], [0, 0], [0, 0])
    do throws(DamaError) {
        try AdamW(learningRate: 1e-3).update(
            step: next, parameters: &parameters, gradients: [1, -1], firstMoments: &first, secondMoments: &second,
            threads: 1)
    } catch {
        fatalError("\(error)")
    }
    guard parameters.allSatisfy(\.isFinite) else { fatalError("AdamW gave \(parameters)") }
    var controller = state.controller
    let ones = [Double](repeating: -1, count: 2)
    if (try? controller.step(
        policyChosen: ones, policyRejected: [-2, -3], referenceChosen: ones, referenceRejected: ones, alphaData: [1, 1]))
        != nil
    {
        guard (try? controller.commit()) != nil else { fatalError("a step cannot be committed") }
    }
    let folder = CheckpointFolder(path: "/x", limit: 1)
    for batch in [state.note["batch"]?.int ?? 1, 7] {
        guard (try? folder.check(state.note, batch: batch, last: 100)) != nil else { continue }
        guard (1...100).contains(batch), state.note["batch"]?.int == batch else { fatalError("batch \(batch)") }
        var order = BatchOrder(pairs: 10, batchSize: 2, seed: 1)
        guard order.batch(batch).count == 2 else { fatalError("no pairs") }
    }
}
