import DamaImage
import DamaModels
import DamaSupport
import DamaTraining

/// The batches of DamaTrainingTests/Fixtures/make_training.py.
package enum TrainingBatches {
    /// - Parameter image: the image of all pairs; `nil` for a text-only model.
    package static func read(_ path: String, image: ImageSource?) throws(DamaError) -> [[TrainingPair]] {
        var batches: [[TrainingPair]] = []
        for batch in try Files.readJSON(path).array ?? [] {
            var pairs: [TrainingPair] = []
            for json in batch.array ?? [] {
                guard let prompt = json["prompt"]?.string, let chosen = json["chosen"]?.string,
                    let rejected = json["rejected"]?.string, let alpha = json["alpha_data"]?.double
                else { throw .invalidArgument("\(path): a pair is incomplete") }
                pairs.append(
                    TrainingPair(
                        PreferencePair(image: image, prompt: prompt, chosen: chosen, rejected: rejected),
                        alphaData: alpha))
            }
            batches.append(pairs)
        }
        guard !batches.isEmpty else { throw .invalidArgument("\(path) holds no batches") }
        return batches
    }
}
