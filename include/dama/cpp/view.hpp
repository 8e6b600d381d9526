/* A pointer and a size, like std::span of C++20. */
#ifndef DAMA_CPP_VIEW_HPP
#define DAMA_CPP_VIEW_HPP

#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace dama {

/**
 * Borrows contiguous elements: a std::vector, std::array, std::span or array, or a pointer with a size. The elements
 * must outlive the call that takes the view.
 */
template <typename T> class View {
public:
    View() = default;
    View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N> View(T (&array)[N]) noexcept : data_(array), size_(N) {}

    template <typename Container,
              typename Pointer = decltype(std::declval<Container &>().data()),
              typename = decltype(std::declval<Container &>().size()),
              // As for std::span: T *, but no pointer that only converts to it, such as one to a derived class.
              typename = std::enable_if_t<std::is_convertible<std::remove_pointer_t<Pointer> (*)[], T (*)[]>::value>>
    View(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}

    T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    T *begin() const noexcept { return data_; }
    T *end() const noexcept { return data_ + size_; }
    T &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

/** Throws std::invalid_argument unless `size` is `expected`. */
inline void check_size(const char *name, std::size_t size, std::size_t expected) {
    if (size != expected)
        throw std::invalid_argument(std::string(name) + " has " + std::to_string(size) + " elements, not " +
                                    std::to_string(expected));
}

} // namespace detail

} // namespace dama

#endif /* DAMA_CPP_VIEW_HPP */
