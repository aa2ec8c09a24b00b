/* What the files of symbolize share: a window's words, in batches that one request answers. */
#ifndef FLEETPROF_CORE_SYMBOLIZE_INTERNAL_H
#define FLEETPROF_CORE_SYMBOLIZE_INTERNAL_H

#include "agent/core/symbolize.h"
#include "agent/core/symbolize_jit.h"
#include "agent/base/hashmap.h"

#define SYMBOLIZE_UNKNOWN UINT32_MAX /* a word's location, until it is asked for */

struct symbolize {
	struct symbolize_config config;
	const struct window *window;
	struct profile *profile;
	struct hashmap *location_of; /* frame word → uint32_t location, or SYMBOLIZE_UNKNOWN */
	uint64_t *words; /* the different words that need a name, ascending */
	size_t nr_words;
	size_t pending;
	struct symbolize_batch *batches;
	struct symbolize_jit *jit; /* NULL: no perf maps */
	struct symbolize_counts counts;
};

/* A run of words that one request names: same file, or the kernel. */
struct symbolize_batch {
	struct symbolize *s; /* NULL: it was freed while the request was under way */
	struct symbolize_batch *next;
	size_t first, nr;
	uint32_t mapping;
	uint32_t content; /* number of the content that answers for a file's words; else 0 */
	unsigned int attempts, rounds;
	bool waiting;
	size_t nr_provisional; /* words with a name that a file which is looked for may better */
	struct supplements_given given; /* with the request that is under way */
};

/* -- symbolize_batch.c: questions and answers -- */

/* Where the word lies in its file; the address, where it is of none. */
uint64_t symbolize_offset_of(uint64_t word);
enum profile_frame_kind symbolize_kind_of(uint64_t word);
void symbolize_set_location(struct symbolize *s, uint64_t word, uint32_t location);

/* Whose file answers for the batch's; nobody's for words that are of no known file. */
struct objects_content symbolize_content_of(const struct symbolize_batch *batch);
/* The word by which an answer is kept: that of the content that gave it. */
uint64_t symbolize_word_of_content(const struct symbolize_batch *batch, uint64_t word);

/* The location of an answer, wherever it comes from: 0 or -errno. */
int symbolize_add_answer(struct symbolize_batch *batch, uint64_t word,
			 const struct symbolizer_answer *answer,
			 const struct symbolizer_frame *frames);
/* Asks for the batch's words. give: files that an answer wanted, or NULL. 0, or -errno: no answer will come. */
int symbolize_send(struct symbolize_batch *batch, const struct supplements_given *give);

/* -- symbolize_plan.c -- */

/* Collects the window's words into batches, answers what is known from earlier, and asks for the rest. */
int symbolize_plan(struct symbolize *s);

#endif
