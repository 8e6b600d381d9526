import CDama
import Dama

extension ImageDecoding {
    /// The two fields of options that open a model.
    init(ignoreOrientation: Int32, dropAlpha: Int32) {
        self.init()
        appliesOrientation = ignoreOrientation == 0
        blendsOnWhite = dropAlpha == 0
    }
}

extension dama_image {
    /// The image. Errors call it `name`.
    func swift(_ name: String) throws -> ImageSource {
        switch (path, bytes, rgb) {
        case (let path?, nil, nil): return .path(String(cString: path))
        case (nil, let bytes?, nil): return .bytes(try copied(bytes, size, "\(name).bytes"))
        case (nil, nil, let rgb?):
            // The limit of a side keeps the product of the three factors from overflowing.
            guard (1...(1 << 24)).contains(height), (1...(1 << 24)).contains(width) else {
                throw DamaError.invalidArgument(
                    "\(name) has \(height) × \(width) pixels; each side must be from 1 to 2^24")
            }
            let pixels = try copied(rgb, 3 * height * width, "\(name).rgb")
            return .pixels(try RGBImage(width: width, height: height, pixels: pixels))
        default:
            throw DamaError.invalidArgument("\(name) must have exactly one of path, bytes and rgb")
        }
    }
}
