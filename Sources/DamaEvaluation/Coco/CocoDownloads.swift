import DamaArchive
import DamaSupport

/// COCO's annotation files of 2014, loose or in their archive.
enum CocoDownloads {
    private static let archive = "annotations_trainval2014.zip"
    private static let address = "http://images.cocodataset.org/annotations/annotations_trainval2014.zip"

    static let all: [Download] =
        ["val", "train"].flatMap { part in
            ["instances", "captions"].map { kind in
                var download = Download(
                    "\(kind)_\(part)2014.json", address: "\(archive), which will do itself: \(address)",
                    isOptional: part == "train")
                download.archive = archive
                return download
            }
        } + [Download(archive, address: address, isOptional: true)]

    /// Reads all files that were found.
    ///
    /// - Parameters:
    ///   - found: The downloads' paths, by their names.
    ///   - wanted: The images to keep; `nil` for all.
    /// - Throws: ``DamaError/Code/invalidArgument`` if a wanted image is in none of the files, and for instances without
    ///   captions or the other way round: images would lack a part of their objects.
    static func images(_ found: [String: String], wanted: Set<Int>?) throws(DamaError) -> CocoImages {
        var images = CocoImages(wanted: wanted)
        let zip: ZipFile? = if let path = found[archive] { try ZipFile(path: path) } else { nil }
        for part in ["val", "train"] {
            let isOptional = part == "train"
            let instances = try source("instances_\(part)2014.json", found, zip, isOptional: isOptional)
            let captions = try source("captions_\(part)2014.json", found, zip, isOptional: isOptional)
            guard (instances == nil) == (captions == nil) else {
                throw .invalidArgument("instances_\(part)2014.json and captions_\(part)2014.json are needed together")
            }
            if let (source, name) = instances { try images.addInstances(source, name: name) }
            if let (source, name) = captions { try images.addCaptions(source, name: name) }
        }
        if let missing = wanted?.filter({ images.images[$0] == nil }).min() {
            throw .invalidArgument(
                "the image \(missing) is in none of the annotation files; give those of train2014 as well")
        }
        return images
    }

    /// A loose file, or else the archive's.
    private static func source(
        _ name: String, _ found: [String: String], _ zip: ZipFile?, isOptional: Bool
    ) throws(DamaError) -> (source: any ByteSource, name: String)? {
        if let path = found[name] { return (try FileBytes(path: path), path) }
        guard let zip else { return nil }
        let member = "annotations/\(name)"
        // An archive without train2014 will do as long as no image is from there.
        if isOptional, zip.size(of: member) == nil { return nil }
        return (try zip.bytes(of: member), "\(zip.path)/\(member)")
    }
}
