@testable import Dama
@testable import DamaSupport

/// A controller's state, then the numbers of a batch. Any bytes give a ``DamaError``, or a controller whose step
/// returns a mask and gradients that are finite for log-probabilities of any size that can occur.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzController(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    guard let stateSize = (try? AdaptiveBeta())?.state().count, size > stateSize else {
        _ = try? AdaptiveBeta(state: bytes)
        return 0
    }
    // The checksum is corrected; otherwise no changed input would get past it.
    var writer = ByteWriter()
    writer.append(Array(bytes[..<(stateSize - 4)]))
    guard var controller = try? AdaptiveBeta(state: writer.checksummed()) else { return 0 }
    guard let again = try? AdaptiveBeta(state: controller.state()), again.state() == controller.state() else {
        fatalError("the state does not come back")
    }
    // A gap β h that overflows is not finite although h is.
    guard controller.configuration.beta < 1e100 else { return 0 }
    // Margins of ±127 in steps of 1, with NaN among them.
    let margins = bytes[stateSize...].prefix(64).map { $0 == 0x80 ? Double.nan : Double(Int8(bitPattern: $0)) }
    let zeros = margins.map { _ in 0.0 }
    guard
        let step = try? controller.step(
            policyChosen: margins, policyRejected: zeros, referenceChosen: zeros, referenceRejected: zeros,
            alphaData: margins.map { _ in 1 })
    else { return 0 }
    let finite = margins.filter(\.isFinite).count
    guard step.summary.kept >= 1, step.summary.kept <= finite, step.mask.filter({ $0 }).count == step.summary.kept,
        step.summary.nonFinite == margins.count - finite,
        zip(step.mask, margins).allSatisfy({ !$0 || $1.isFinite }), step.beta.allSatisfy({ $0.isFinite && $0 >= 0 })
    else { fatalError("wrong step") }
    guard (try? controller.commit()) != nil else { fatalError("a step cannot be committed") }
    return 0
}
