import ArgumentParser
import Dama

/// Options for the decoding of image files.
struct ImageArguments: ParsableArguments {
    @Flag(help: "Ignore the EXIF orientation of images.")
    var ignoreOrientation = false
    @Flag(help: "Drop transparency instead of blending the image on white.")
    var dropAlpha = false

    var decoding: ImageDecoding {
        var decoding = ImageDecoding()
        decoding.appliesOrientation = !ignoreOrientation
        decoding.blendsOnWhite = !dropAlpha
        return decoding
    }
}
