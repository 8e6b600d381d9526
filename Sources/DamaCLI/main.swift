import ArgumentParser
import Dama

struct DamaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dama",
        abstract: "Data- and model-aware preference alignment of multimodal language models.",
        version: "\(libraryVersion)",
        subcommands: [])
}

DamaCommand.main()
