import DamaSupport

/// The reason why a row of a dataset is rejected. The job continues; the row is listed in the rejects file.
package struct Rejection: Error, Equatable, Sendable {
    /// The kinds of fault in a row. The raw value appears in the rejects file and in the summary's counts.
    package enum Kind: String, CaseIterable, Sendable {
        /// Not UTF-8.
        case notUTF8 = "not_utf8"
        /// Not JSON, not an object, or an array that ends too soon.
        case invalidJSON = "invalid_json"
        /// A row larger than the limit for one row.
        case rowTooLarge = "row_too_large"
        /// A required field is missing.
        case missingField = "missing_field"
        /// A field of the wrong type.
        case wrongType = "wrong_type"
        /// Messages that are no prompt with a response, or of an unknown role.
        case unsupportedConversation = "unsupported_conversation"
        /// A response without words.
        case emptyResponse = "empty_response"
        /// More images than the job takes for a row.
        case severalImages = "several_images"
        /// The image file does not exist.
        case imageMissing = "image_missing"
        /// A path that leads out of the image root.
        case imageOutsideRoot = "image_outside_root"
        /// A folder, a device, or a file without permission.
        case imageUnreadable = "image_unreadable"
        /// A file that is larger, or has more pixels, than the limit.
        case imageTooLarge = "image_too_large"
        /// An image format that is not supported.
        case imageUnsupported = "image_unsupported"
        /// A file that is not an image, or is damaged.
        case imageBroken = "image_broken"
        /// A response that cannot be split into parts that fit the text encoder.
        case cannotSplit = "cannot_split"
        /// A prompt and response that are too long for the model, or that it cannot process.
        case doesNotFit = "does_not_fit"
        /// Scores without a hardness: not finite, or a ratio over zero.
        case noHardness = "no_hardness"
        /// A pair to train on that has no line in the scores.
        case noScore = "no_score"
        /// A pair to train on that has no reference log-probabilities.
        case noReference = "no_reference"
        /// An answer to a question that the benchmark does not have.
        case unknownQuestion = "unknown_question"
        /// A second answer to a question.
        case repeatedAnswer = "repeated_answer"
    }

    package var kind: Kind
    /// A one-line explanation.
    package var reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        // A file's name may contain line breaks; a reason is one line.
        self.reason = String(String.UnicodeScalarView(reason.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    }

    /// The line for the rejects file.
    func line(of row: RawRow, id: JSON?) -> JSON {
        var members: [JSONObject.Member] = [("row", .int(Int64(row.index))), ("line", .int(Int64(row.line)))]
        if let id { members.append(("id", id)) }
        members.append(("kind", .string(kind.rawValue)))
        members.append(("reason", .string(reason)))
        return .object(JSONObject(members))
    }
}

/// A failure that concerns a single row, or the whole job.
enum RowFailure: Error {
    /// The row is at fault.
    case row(Rejection)
    /// The machine is at fault: out of memory or file descriptors, or a failing disk. Rejecting rows for it would make
    /// the result irreproducible.
    case job(DamaError)

    /// Treats the errors of `parse` as the row's fault.
    static func parsing<Result>(_ parse: () throws(Rejection) -> Result) throws(RowFailure) -> Result {
        do throws(Rejection) {
            return try parse()
        } catch {
            throw .row(error)
        }
    }

    /// Returns the row's fault as a result, and throws a failure of the job.
    static func result<Success>(
        _ read: () throws(RowFailure) -> Success
    ) throws(DamaError) -> Result<Success, Rejection> {
        do throws(RowFailure) {
            return .success(try read())
        } catch {
            switch error {
            case .row(let rejection): return .failure(rejection)
            case .job(let error): throw error
            }
        }
    }

    /// Sorts the errors of preparing a row's texts and image for a model: most are the row's fault.
    static func sorting<Result>(
        _ prepare: () throws(DamaError) -> Result
    ) throws(RowFailure) -> Result {
        do throws(DamaError) {
            return try prepare()
        } catch {
            switch error.code {
            case .invalidArgument, .shapeMismatch: throw .row(Rejection(.doesNotFit, error.message))
            case .model, .unsupported, .outOfMemory: throw .row(Rejection(image: error))
            default: throw .job(error)
            }
        }
    }
}

extension Rejection {
    /// The rejection for an error of the image decoder.
    init(image error: DamaError) {
        let kind: Kind =
            switch error.code {
            case .outOfMemory: .imageTooLarge
            case .unsupported: .imageUnsupported
            default: .imageBroken
            }
        self.init(kind, error.message)
    }
}
