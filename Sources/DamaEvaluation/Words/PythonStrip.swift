import DamaWords

extension String {
    /// `str.strip()` of Python.
    var pythonStripped: String {
        let start = unicodeScalars.drop { $0.isPythonSpace }
        let end = start.reversed().prefix { $0.isPythonSpace }.count
        return String(start.prefix(start.count - end))
    }

    /// `str.lower()` of Python.
    var pythonLowered: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: Array(unicodeScalars).pythonLowered())
        return String(text)
    }

    /// `str.split()` of Python.
    var pythonWords: [Substring.UnicodeScalarView] {
        unicodeScalars.split { $0.isPythonSpace }
    }
}
