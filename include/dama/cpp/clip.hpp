/* CLIP scores. */
#ifndef DAMA_CPP_CLIP_HPP
#define DAMA_CPP_CLIP_HPP

#include "../clip.h"
#include "callback.hpp"

#include <string>
#include <vector>

namespace dama {

/** Owns a dama_scorer. Moves, does not copy; may be used from several threads at once. */
class Scorer {
public:
    using Options = dama_scorer_options;

    static Options options() { return detail::initialised(dama_scorer_options_init_sized); }

    /** See dama_scorer_create(). */
    explicit Scorer(const std::string &model_dir, const Options &options = Scorer::options())
        : handle_(detail::made<Owner>([&](dama_scorer **out) {
              return dama_scorer_create(out, detail::c_string(model_dir), &options);
          })) {
        check(dama_scorer_info(handle_.get(), &dimension_, &logit_scale_));
    }

    std::size_t dimension() const noexcept { return dimension_; }
    float logit_scale() const noexcept { return logit_scale_; }

    /** The image of a JPEG or PNG file; `path` must outlive the call it is used in. */
    static dama_image file(const std::string &path) {
        dama_image image{};
        image.path = detail::c_string(path);
        return image;
    }

    /** See dama_scorer_score(). */
    std::vector<float> score(const dama_image &image, const std::vector<std::string> &sentences) const {
        std::vector<float> scores(sentences.size());
        const Strings texts(sentences);
        check(dama_scorer_score(handle_.get(), &image, texts.data(), texts.size(), scores.data()));
        return scores;
    }

    /** See dama_scorer_embed_images(): [images, dimension]. */
    std::vector<float> embed_images(const std::vector<dama_image> &images) const {
        std::vector<float> embeddings(images.size() * dimension_);
        check(dama_scorer_embed_images(handle_.get(), images.data(), images.size(), embeddings.data(),
                                       embeddings.size()));
        return embeddings;
    }

    /** See dama_scorer_embed_texts(): [texts, dimension]. */
    std::vector<float> embed_texts(const std::vector<std::string> &texts) const {
        std::vector<float> embeddings(texts.size() * dimension_);
        const Strings strings(texts);
        check(dama_scorer_embed_texts(handle_.get(), strings.data(), strings.size(), embeddings.data(),
                                      embeddings.size()));
        return embeddings;
    }

    /** The handle, for calls that take a dama_scorer. */
    const dama_scorer *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_scorer, dama_scorer_free>;
    Owner handle_;
    std::size_t dimension_ = 0;
    float logit_scale_ = 0;
};

} // namespace dama

#endif /* DAMA_CPP_CLIP_HPP */
