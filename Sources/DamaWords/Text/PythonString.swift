import DamaSupport

/// What Python's `str` does, for official scripts whose results are to be equalled.
extension String {
    /// `str.strip()` of Python.
    package var pythonStripped: String {
        let start = unicodeScalars.drop { $0.isPythonSpace }
        let end = start.reversed().prefix { $0.isPythonSpace }.count
        return String(start.prefix(start.count - end))
    }

    /// `str.lower()` of Python.
    package var pythonLowered: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: Array(unicodeScalars).pythonLowered())
        return String(text)
    }

    /// `str.split()` of Python.
    package var pythonWords: [Substring.UnicodeScalarView] {
        unicodeScalars.split { $0.isPythonSpace }
    }
}
