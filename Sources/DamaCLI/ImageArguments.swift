import ArgumentParser
import Dama

/// What is made of image files besides their colours.
struct ImageArguments: ParsableArguments {
    @Flag(help: "Leave pictures as they are stored: do not turn them as their EXIF data say.")
    var ignoreOrientation = false
    @Flag(help: "Drop transparency instead of putting the picture on white.")
    var dropAlpha = false

    var decoding: ImageDecoding {
        var decoding = ImageDecoding()
        decoding.appliesOrientation = !ignoreOrientation
        decoding.blendsOnWhite = !dropAlpha
        return decoding
    }
}
