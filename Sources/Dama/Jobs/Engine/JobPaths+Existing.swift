import DamaSupport

/// What is there already where a job wants to write.
extension JobPaths {
    /// Refuses an output that could not be replaced by renaming, or that would replace the input.
    func refuseUnsuitable(data: String) throws(DamaError) {
        for path in [output, rejects, summary, run] where Files.exists(path) {
            guard Files.isRegularFile(path) else {
                throw .io("\(path) is not a regular file, and would be replaced by one")
            }
            guard !Files.areSame(path, data) else {
                throw .invalidArgument("the output \(path) is the dataset itself")
            }
        }
    }

    /// The summary of an earlier run that finished the same job; `nil` where there is no output at all.
    ///
    /// - Throws: where there is one of another job, which is not replaced without being told to.
    func finishedSummary(_ settings: JSON) throws(DamaError) -> JSON? {
        let summaryExists = Files.exists(summary)
        guard summaryExists || Files.exists(output) else { return nil }
        guard summaryExists else {
            throw .invalidArgument("\(output) exists and is not replaced unless the job is restarted")
        }
        let json = try Files.readJSON(summary)
        let differences = settingsDifferences(json["settings"] ?? .null, settings)
        guard differences.isEmpty else {
            throw .invalidArgument(
                "\(output) is there from a job with \(differences.joined(separator: "; ")), and is not replaced "
                    + "unless the job is restarted")
        }
        guard ResultFile.isUnchanged(output, json["output"]), ResultFile.isUnchanged(rejects, json["rejects"]) else {
            throw changed
        }
        return json
    }

    /// Results that are not those that their summary was written for.
    var changed: DamaError {
        .invalidArgument(
            "\(output) or \(rejects) is not what \(summary) describes; restart the job to replace it")
    }
}
