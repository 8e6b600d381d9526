import DamaSupport

/// The named formats of known chat templates, by the SHA-256 of their text.
///
/// `Tests/DamaModelsTests/Fixtures/make_templates.py` renders a template with jinja2, compares it with the format of
/// `docs/templates` and prints its line for this list.
enum KnownTemplates {
    /// The format of a chat template; `nil` if it is not known.
    ///
    /// - Parameter takesImage: whether the model takes images. Then formats without a place for an image do not match.
    static func name(of text: String, takesImage: Bool) -> String? {
        let bytes = normalized(text)
        guard let name = names[SHA256.hex(of: bytes)] else { return nil }
        return takesImage && !withImage.contains(name) ? nil : name
    }

    /// Jinja reads "\n", "\r" and "\r\n" alike and drops one at the end.
    private static func normalized(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\r") {
                bytes.append(UInt8(ascii: "\n"))
            } else if !(byte == UInt8(ascii: "\n") && previous == UInt8(ascii: "\r")) {
                bytes.append(byte)
            }
            previous = byte
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return bytes
    }

    private static let withImage: Set<String> = ["vicuna_v1", "llava-1.5", "plain"]

    private static let names: [String: String] = [
        // docs/templates
        "a9867087bea466a309abe90c3d115278b6454f2727905bb80b95427e0d667140": "chatml",
        "6f07251af87a8621509d6f6a4adfb6693e5efb6087f9c4e04225f01b6c73cd0c": "llama-2",
        "cf4a039b509a17bbf2abe9946abfc463beee5ebb027f843131fa6d5764a2fc7b": "llama-3",
        "6d796a7fa10fd3966499e56b4778f461395902731f135e64a31d483d33fdfdcd": "llava-1.5",
        "eb083d05b71a2f16ec75b987c4c884e9a0531781ca0766faeb0a7f768b8641d1": "plain",
        "f285ea3e078055b7ad681a8e9d1b676abdad9a52fc1865e744cc14007c3e1bbe": "smollm2",
        "e52403607c9365ddca7e64452bdb797ac6c654fd995070c4dc5264247ebe6ea4": "vicuna_v1",
        "3f47b3230390abf091ac7bb460094534c04633ee470482ace5cb829407755be4": "zephyr",
        // ChatML as OpenHermes 2.5 has it, with line breaks escaped or not.
        "fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e": "chatml",
        "153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3": "chatml",
        // Llama 2 Chat.
        "e8d5b5a546d3f19df16a5320c614fab05bdc4edd50e850f1afd947b503ea41cf": "llama-2",
        "9780fae5bfea3cfd7be37d328c6edfd296a8869be8131495bbe7eb37e780c88c": "llama-2",
        // Llama 3 Instruct, with the response header always or on request. Llama 3.1 and later add the date.
        "b75e17085cfc511ead6d4fab84b86ab3c168ec7a332568a91d0889cdcba94394": "llama-3",
        "b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2": "llama-3",
        "4f46ecd43418f216df8c26936c60e5d04bcc81db47db5d86fbe889f64212dd4c": "llama-3",
        "ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122": "llama-3",
        // LLaVA 1.5 and 1.6 Vicuna of llava-hf, which leave the end token to the trainer.
        "50c43d0ac06b32ddd89668462d54ab30c7f75a36b3f1d876e82772b386c2c6f0": "llava-1.5",
        "6fef09c05345e88b9f85e80bcb3491003332050750586568bdf91cfa81965d0c": "llava-1.5",
        // models/shapes-llava
        "f7826189bd59e0edf7dfb7369ce07a4a6d972e8241f656970a77611fc232d21b": "llava-1.5",
        // SmolLM2 Instruct.
        "de9cde7d1b0ca0cc87459a6673e0d12fb89c070bdb24e4a30b6e4d187b226221": "smollm2",
        "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788": "smollm2",
        // Zephyr and TinyLlama Chat.
        "4f39e3a4b9e3d369b42fd00d93a78f171914bb4e58ec84fc420433d7a153288a": "zephyr",
        "66291cf0045c2425a3a667cf3cbb7af2b11f09e025c02f97245323ab79119362": "zephyr",
    ]
}
