/// Self-contained HTML pages of results, in the look of those that scripts/report writes.
package enum HTMLPage {
    /// A page, which ends with a line feed.
    ///
    /// - Parameters:
    ///   - title: Text, which is escaped.
    ///   - lead: Text below the title, which is escaped.
    ///   - body: HTML.
    ///   - writer: The command that writes the page, as in `dama score`. The page begins with ``head(writer:)``.
    ///   - style: CSS beside that of all pages.
    package static func text(title: String, lead: String, body: String, writer: String, style: String = "") -> String {
        """
        \(head(writer: writer))<title>\(escaped(title))</title><style>\(common)\(style)</style></head><body><main>\
        <h1>\(escaped(title))</h1><p class="lead">\(escaped(lead))</p>\(body)\
        <footer>Written by <code>\(escaped(writer))</code>.</footer></main></body></html>

        """
    }

    /// The beginning of every page of a command, by which it recognises its own.
    package static func head(writer: String) -> String {
        """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="generator" content="\(escaped(writer))">\
        <meta name="viewport" content="width=device-width, initial-scale=1">
        """
    }

    /// A table; the cells are text, which is escaped.
    package static func table(_ heads: [String], _ rows: [[String]]) -> String {
        let top = heads.map { "<th>\(escaped($0))</th>" }.joined()
        let lines = rows.map { row in "<tr>\(row.map { "<td>\(escaped($0))</td>" }.joined())</tr>" }.joined()
        return "<table><thead><tr>\(top)</tr></thead><tbody>\(lines)</tbody></table>"
    }

    package static func escaped(_ text: String) -> String {
        let names: [UInt8: String] = [0x26: "&amp;", 0x3C: "&lt;", 0x3E: "&gt;", 0x22: "&quot;", 0x27: "&#x27;"]
        return String(
            decoding: text.utf8.flatMap { byte in names[byte].map { Array($0.utf8) } ?? [byte] }, as: UTF8.self)
    }

    private static let common = """
        :root{color-scheme:light;--ink:#1d2129;--soft:#5d6673;--line:#dfe3e8}\
        body{margin:0;background:#fff;color:var(--ink);font:16px/1.55 Charter,"Source Serif 4",Georgia,serif}\
        main{max-width:980px;margin:0 auto;padding:48px 24px 72px}\
        h1,h2,th{font-family:system-ui,"Segoe UI",Inter,Roboto,"DejaVu Sans",sans-serif}\
        h1{font-size:30px;line-height:1.2;margin:0 0 8px}h2{font-size:19px;margin:40px 0 8px}\
        .lead{color:var(--soft);font-size:17px}\
        table{border-collapse:collapse;width:100%;margin:24px 0;font-variant-numeric:tabular-nums}\
        th{font-size:13px;font-weight:600;color:var(--soft)}\
        th,td{text-align:right;padding:6px 12px 6px 0;white-space:nowrap}svg{display:block}\
        footer{margin-top:56px;color:var(--soft);font-size:13px}
        """
}
