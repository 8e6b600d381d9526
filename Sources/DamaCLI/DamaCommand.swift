import ArgumentParser
import CommandLineSupport
import Dama

@main
struct DamaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dama",
        abstract: "Data- and model-aware preference alignment of multimodal language models.",
        version: "\(libraryVersion)",
        subcommands: [
            Score.self, Merge.self, Reference.self, Train.self, Split.self, Generate.self, Evaluate.self, Version.self,
        ])

    static func main() {
        StandardOutput.checkAtExit()
        main(nil)
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() throws { try StandardOutput.writeLine("dama \(libraryVersion)") }
}
