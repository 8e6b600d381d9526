/* CLIP scores, and the hardness of a pair. */
#ifndef DAMA_CPP_CLIP_HPP
#define DAMA_CPP_CLIP_HPP

#include "../clip.h"
#include "callback.hpp"
#include "splitter.hpp"

#include <string>
#include <vector>

namespace dama {

/** One sub-sentence of a response; see dama_scored_sentence. */
struct ScoredSentence {
    std::string text;
    float score = 0;
    double probability = 0;
};

/** δ of a pair, and its sub-sentences. */
struct PairHardness {
    double delta = 0;
    std::vector<ScoredSentence> chosen, rejected;
    /** The flags of the responses, as in SubSentences. */
    std::vector<std::string> chosen_flags, rejected_flags;
};

/** Owns a dama_scorer. Move-only; several threads may use it at the same time. */
class Scorer {
public:
    using Options = dama_scorer_options;
    using HardnessOptions = dama_hardness_options;
    using Facts = dama_scorer_facts;

    static Options options() { return detail::initialised(dama_scorer_options_init_sized); }

    /** See dama_hardness_options_init(). The field splitter takes a splitter's get(). */
    static HardnessOptions hardness_options() { return detail::initialised(dama_hardness_options_init_sized); }

    /** See dama_scorer_create(). */
    explicit Scorer(const std::string &model_dir, const Options &options = Scorer::options())
        : handle_(detail::made<Owner>([&](dama_scorer **out) {
              return dama_scorer_create(out, detail::c_string(model_dir), &options);
          })),
          facts_(described(handle_.get())) {}

    /** See dama_scorer_describe(). */
    const Facts &facts() const noexcept { return facts_; }
    std::size_t dimension() const noexcept { return facts_.dimension; }
    float logit_scale() const noexcept { return facts_.logit_scale; }

    /** The image in a file. `path` must outlive the call that uses the image. */
    static dama_image file(const std::string &path) {
        dama_image image{};
        image.path = detail::c_string(path);
        return image;
    }

    /** See dama_scorer_score(). */
    std::vector<float> score(const dama_image &image, const std::vector<std::string> &sentences,
                             const Cancellation *cancellation = nullptr) const {
        std::vector<float> scores(sentences.size());
        const Strings texts(sentences);
        check(dama_scorer_score(handle_.get(), &image, texts.data(), texts.size(), scores.data(),
                                detail::handle(cancellation)));
        return scores;
    }

    /** See dama_scorer_embed_images(): [images, dimension]. */
    std::vector<float> embed_images(const std::vector<dama_image> &images,
                                    const Cancellation *cancellation = nullptr) const {
        std::vector<float> embeddings(images.size() * dimension());
        check(dama_scorer_embed_images(handle_.get(), images.data(), images.size(), embeddings.data(),
                                       embeddings.size(), detail::handle(cancellation)));
        return embeddings;
    }

    /** See dama_scorer_embed_texts(): [texts, dimension]. */
    std::vector<float> embed_texts(const std::vector<std::string> &texts,
                                   const Cancellation *cancellation = nullptr) const {
        std::vector<float> embeddings(texts.size() * dimension());
        const Strings strings(texts);
        check(dama_scorer_embed_texts(handle_.get(), strings.data(), strings.size(), embeddings.data(),
                                      embeddings.size(), detail::handle(cancellation)));
        return embeddings;
    }

    /** See dama_scorer_hardness(). */
    PairHardness hardness(const dama_image &image, const std::string &chosen, const std::string &rejected,
                          const HardnessOptions &options = hardness_options(),
                          const Cancellation *cancellation = nullptr) const {
        double delta = 0;
        const auto found = detail::made<detail::Handle<dama_scored_pair, dama_scored_pair_free>>(
            [&](dama_scored_pair **out) {
                return dama_scorer_hardness(out, handle_.get(), &image, detail::c_string(chosen),
                                            detail::c_string(rejected), &options, &delta,
                                            detail::handle(cancellation));
            });
        return hardness_of(found.get(), delta);
    }

    /** An image and two responses about it. */
    struct Pair {
        dama_image image;
        std::string chosen, rejected;
    };

    /** The result of a pair in a batch: its hardness, or what is wrong with it. */
    struct Outcome {
        dama_status status = DAMA_OK;
        std::string message;
        PairHardness hardness;
    };

    /** See dama_scorer_hardness_batch(). */
    std::vector<Outcome> hardness_batch(const std::vector<Pair> &pairs,
                                        const HardnessOptions &options = hardness_options(),
                                        const Cancellation *cancellation = nullptr) const {
        std::vector<dama_response_pair> given;
        given.reserve(pairs.size());
        for (const auto &it : pairs)
            given.push_back({&it.image, detail::c_string(it.chosen), detail::c_string(it.rejected)});
        const auto found = detail::made<detail::Handle<dama_scored_pairs, dama_scored_pairs_free>>(
            [&](dama_scored_pairs **out) {
                return dama_scorer_hardness_batch(out, handle_.get(), given.data(), given.size(), &options,
                                                  detail::handle(cancellation));
            });
        std::vector<Outcome> results(dama_scored_pairs_count(found.get()));
        for (std::size_t i = 0; i < results.size(); i++) {
            dama_pair_outcome it;
            check(dama_scored_pairs_at(found.get(), i, &it));
            results[i].status = it.status;
            if (it.message) results[i].message = it.message;
            if (it.pair) results[i].hardness = hardness_of(it.pair, it.delta);
        }
        return results;
    }

    /** The handle, for C functions. */
    const dama_scorer *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_scorer, dama_scorer_free>;

    static Facts described(const dama_scorer *scorer) {
        auto facts = detail::initialised(dama_scorer_facts_init_sized);
        check(dama_scorer_describe(scorer, &facts));
        return facts;
    }

    static PairHardness hardness_of(const dama_scored_pair *pair, double delta) {
        PairHardness result;
        result.delta = delta;
        result.chosen = sentences(pair, DAMA_CHOSEN);
        result.rejected = sentences(pair, DAMA_REJECTED);
        result.chosen_flags = detail::copied(dama_scored_pair_flags(pair, DAMA_CHOSEN));
        result.rejected_flags = detail::copied(dama_scored_pair_flags(pair, DAMA_REJECTED));
        return result;
    }

    static std::vector<ScoredSentence> sentences(const dama_scored_pair *pair, dama_response response) {
        std::vector<ScoredSentence> result;
        result.reserve(dama_scored_pair_count(pair, response));
        for (std::size_t i = 0; i < dama_scored_pair_count(pair, response); i++) {
            dama_scored_sentence it;
            check(dama_scored_pair_at(pair, response, i, &it));
            result.push_back({it.text, it.score, it.probability});
        }
        return result;
    }

    Owner handle_;
    Facts facts_;
};

} // namespace dama

#endif /* DAMA_CPP_CLIP_HPP */
