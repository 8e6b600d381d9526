import DamaSupport

/// Why a row of a dataset is left out of a job. The job goes on; the row goes into the rejects file.
package struct Rejection: Error, Equatable, Sendable {
    /// The kinds of fault a row can have; the raw value stands in the rejects file and in the summary's counts.
    package enum Kind: String, CaseIterable, Sendable {
        /// Not UTF-8.
        case notUTF8 = "not_utf8"
        /// Not JSON, or no object, or an array that ends too soon.
        case invalidJSON = "invalid_json"
        /// More bytes than the limit for one row.
        case rowTooLarge = "row_too_large"
        /// A field that has to be there and is not.
        case missingField = "missing_field"
        /// A field that holds something else than it should.
        case wrongType = "wrong_type"
        /// Messages that are not one question and one response, or a system prompt that the job was not given.
        case unsupportedConversation = "unsupported_conversation"
        /// A response without words.
        case emptyResponse = "empty_response"
        /// More images than one.
        case severalImages = "several_images"
        /// No file at the image's path.
        case imageMissing = "image_missing"
        /// A path that leads out of the image root.
        case imageOutsideRoot = "image_outside_root"
        /// A folder, a device, or a file without permission.
        case imageUnreadable = "image_unreadable"
        /// A file larger, or with more pixels, than the limit.
        case imageTooLarge = "image_too_large"
        /// An image of a format that is not read.
        case imageUnsupported = "image_unsupported"
        /// A file that is no image, or a damaged one.
        case imageBroken = "image_broken"
        /// A response that cannot be split so that every part fits the text encoder.
        case cannotSplit = "cannot_split"
        /// A prompt and a response that the model has no room for, or cannot take.
        case doesNotFit = "does_not_fit"
        /// Scores that have no hardness: not finite, or a ratio over zero.
        case noHardness = "no_hardness"
        /// A pair to train on that the scores do not know.
        case noScore = "no_score"
        /// A pair to train on that the reference's log-probabilities do not know.
        case noReference = "no_reference"
    }

    package var kind: Kind
    /// One line for people.
    package var reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        // A file's name may hold anything; a reason is one line.
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

/// What stops a single row, or the whole job.
enum RowFailure: Error {
    /// The row is at fault.
    case row(Rejection)
    /// The machine is: out of memory or file descriptors, a disk that fails. Rejecting rows for it would make the
    /// result depend on the day.
    case job(DamaError)

    /// What parsing a row throws is the row's fault.
    static func parsing<Result>(_ parse: () throws(Rejection) -> Result) throws(RowFailure) -> Result {
        do throws(Rejection) {
            return try parse()
        } catch {
            throw .row(error)
        }
    }

    /// The row's fault as a result; what stops the job is thrown.
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

    /// What goes wrong where a model takes in a row's texts and image: mostly the row's fault.
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
    /// What decoding an image throws.
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
