/// A binary heap: `pop` takes the smallest element.
struct Heap<Element: Comparable> {
    private var elements: [Element] = []

    init() {}

    mutating func push(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard elements[child] < elements[parent] else { return }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Element? {
        guard let first = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return first }
        elements[0] = last
        var parent = 0
        while true {
            var best = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < elements.count && elements[child] < elements[best] { best = child }
            if best == parent { return first }
            elements.swapAt(parent, best)
            parent = best
        }
    }
}
