import Foundation

/// A server on the loopback interface that sends prepared answers, one for each connection, and records the requests.
package final class LocalServer: @unchecked Sendable {
    package struct Answer {
        package var status = 200
        package var body = ""
        /// Further header lines, such as `Retry-After: 3`.
        package var headers: [String] = []
        /// The delay of the answer in seconds.
        package var delay = 0.0
        /// Closes the connection without an answer.
        package var hangsUp = false

        package init(
            status: Int = 200, body: String = "", headers: [String] = [], delay: Double = 0, hangsUp: Bool = false
        ) {
            (self.status, self.body, self.headers) = (status, body, headers)
            (self.delay, self.hangsUp) = (delay, hangsUp)
        }
    }

    package let port: UInt16
    private let listener: Int32
    private let lock = NSLock()
    private var answers: [Answer]
    private var received: [String] = []

    package var requests: [String] { lock.withLock { received } }
    package var url: String { "http://127.0.0.1:\(port)/v1/chat/completions" }

    package init(_ answers: [Answer]) throws {
        self.answers = answers
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        guard bound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in serve() }
    }

    package func stop() {
        // The thread closes it: a closed descriptor could belong to another server by the time of the next accept.
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func serve() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else {
                close(listener)
                return
            }
            let request = read(connection)
            let answer = lock.withLock { () -> Answer? in
                received.append(request)
                return answers.isEmpty ? nil : answers.removeFirst()
            }
            if let answer, !answer.hangsUp {
                if answer.delay > 0 { Thread.sleep(forTimeInterval: answer.delay) }
                let lines =
                    ["HTTP/1.1 \(answer.status) X", "Content-Length: \(answer.body.utf8.count)", "Connection: close"]
                    + answer.headers
                let head = lines.joined(separator: "\r\n") + "\r\n\r\n"
                let bytes = Array((head + answer.body).utf8)
                // A client that gave up must not end the test with SIGPIPE.
                _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            }
            close(connection)
        }
    }

    private func read(_ connection: Int32) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let length = text.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
                if text[end.upperBound...].utf8.count >= length { return text }
            }
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { return text }
            bytes += chunk[..<count]
        }
    }
}
