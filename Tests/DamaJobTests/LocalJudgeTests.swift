import Dama
import DamaSupport
import DamaTestSupport
import XCTest

/// Judges that are programs or models on this machine.
final class LocalJudgeTests: JudgeTestCase {
    private func fixture(_ name: String) -> String {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return tests.path + "/DamaModelsTests/Fixtures/" + name
    }

    // MARK: Programs

    func testAProgramReadsTheRequest() throws {
        let judge = try CommandJudge("cat")
        var request = JudgeRequest([
            JudgeRequest.Message(role: "system", content: "be\nfair"), JudgeRequest.Message(role: "user", content: "é"),
        ])
        (request.temperature, request.topP, request.maximumTokens) = (0.5, 0.25, 3)
        (request.run, request.attempt) = (4, 2)
        XCTAssertEqual(
            try JSON(parsing: judge.answer(request, stop: StopSignal()).text),
            [
                "messages": [["role": "system", "content": "be\nfair"], ["role": "user", "content": "é"]],
                "temperature": 0.5, "top_p": 0.25, "max_tokens": 3, "run": 4, "attempt": 2,
            ])
        // printf cat | sha256sum
        XCTAssertEqual(
            judge.name, "command sha256:77af778b51abd4a3c51c5ddd97204a9c3ae614ebccb75a606c3b6865aed6744e")
    }

    func testTheOutputWithoutItsLastLineBreaksIsTheAnswer() throws {
        for (command, text) in [
            ("printf ' 0.5 \\n\\n'", " 0.5 "), ("printf 'a\\nb'", "a\nb"), ("printf 'a\\r\\n'", "a"), ("true", ""),
        ] {
            XCTAssertEqual(try CommandJudge(command).answer(request(), stop: StopSignal()), JudgeAnswer(text: text))
        }
    }

    func testProgramsThatFail() throws {
        for (command, text) in [
            ("exit 3", "the judge's command ended with status 3"), ("sleep 30", "took longer than"),
            ("head -c 2000000 /dev/zero", "wrote more than"),
        ] {
            let judge = try CommandJudge(command, timeout: 1)
            assertFails(.io, text) { _ = try judge.answer(self.request(), stop: StopSignal()) }
        }
        assertFails(.invalidArgument, "the judge's command is empty") { _ = try CommandJudge("") }
        assertFails(.invalidArgument, "time limit") { _ = try CommandJudge("cat", timeout: 0) }
        assertFails(.invalidArgument, "1 to 256") { _ = try CommandJudge("cat", concurrency: 257) }
    }

    // MARK: Models

    func testAModelThatTakesImagesIsRefused() throws {
        TestRuntime.configure()
        let policy = try Policy(directory: fixture("llava/default"))
        assertFails(.unsupported, "the judge needs a text-only model") { _ = try PolicyJudge(policy) }
    }

    private func policy() throws -> Policy {
        TestRuntime.configure()
        var options = PolicyOptions()
        options.template = "chatml"
        return try Policy(directory: fixture("qwen2/tied"), options: options)
    }

    func testAModelAnswersAsItGenerates() throws {
        let policy = try policy()
        let judge = try PolicyJudge(policy)
        var request = request("is it good?")
        request.maximumTokens = 6
        request.messages.insert(JudgeRequest.Message(role: "system", content: "be fair"), at: 0)
        var options = GenerationOptions()
        options.maximumTokens = 6
        let expected = try policy.generate(
            [
                GenerationRequest(
                    images: [], messages: [ChatMessage(.system, "be fair"), ChatMessage(.user, "is it good?")])
            ], options)[0]
        let answer = try judge.answer(request, stop: StopSignal())
        XCTAssertEqual(answer.text, expected.text)
        XCTAssertEqual(answer.outputTokens, expected.tokens.count)
        XCTAssertEqual(answer.finish, expected.finish == .length ? "length" : "stop")
        XCTAssertTrue(judge.name.hasPrefix(try XCTUnwrap(answer.model)))
    }

    /// Runs and attempts draw other tokens; the same ones draw the same.
    func testRunsAndAttemptsAreSeeds() throws {
        let judge = try PolicyJudge(try policy())
        var texts: [String] = []
        for _ in 0..<2 {
            for (run, attempt) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                var request = request("is it good?", run: run, attempt: attempt)
                (request.temperature, request.maximumTokens) = (2, 12)
                texts.append(try judge.answer(request, stop: StopSignal()).text)
            }
        }
        XCTAssertEqual(Array(texts[..<4]), Array(texts[4...]))
        XCTAssertEqual(Set(texts).count, 4)
    }

    /// An answer under judgement may contain the mark of an image.
    func testTheMarkOfAnImageIsNoImage() throws {
        let judge = try PolicyJudge(try policy())
        var (marked, plain) = (request("what <image> is this?"), request("what [image] is this?"))
        (marked.maximumTokens, plain.maximumTokens) = (4, 4)
        XCTAssertEqual(
            try judge.answer(marked, stop: StopSignal()).text, try judge.answer(plain, stop: StopSignal()).text)
    }
}
