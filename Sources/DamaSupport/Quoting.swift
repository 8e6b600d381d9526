/// `token` in quotes, shortened for a message.
package func quoted(_ token: String) -> String {
    token.unicodeScalars.count > 60 ? "\"\(String(token.unicodeScalars.prefix(60)))…\"" : "\"\(token)\""
}
