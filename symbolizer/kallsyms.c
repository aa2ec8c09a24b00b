/*
 * Kernel addresses, from the text of /proc/kallsyms: functions of the kernel, its modules and BPF programs.
 *
 * The text has some ten megabytes, and a profile asks for some hundred addresses: so it is read once a question, line by
 * line, and what is kept is the best symbol so far of each address. Modules and BPF programs that came meanwhile are
 * in the next reading.
 */
#include "symbolizer/kallsyms.h"
#include "agent/base/err.h"

#include <errno.h>
#include <string.h>

#define CHUNK_BYTES 65536
#define LINE_BYTES_MAX 1024 /* KSYM_NAME_LEN is 512, a module's name has at most 56 */
#define TEXT_BYTES_MAX (256u << 20)

struct wanted {
	uint64_t address; /* as asked for */
	size_t index; /* of its answer */
	uint64_t symbol; /* address of the nearest symbol not above it; 0: none so far */
	char *name; /* "name" or "name\t[module]" */
};

struct search {
	struct wanted *wanted; /* ascending */
	size_t nr;
	uint64_t stext;
};

static int compare(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* The first wanted address that is not below; nr if there is none. */
static size_t first_not_below(const struct search *s, uint64_t address)
{
	size_t lo = 0, hi = s->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->wanted[mid].address < address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Of several names for one address the first that the kernel lists stays. */
static int offer(struct search *s, uint64_t address, const char *name)
{
	size_t i = first_not_below(s, address);
	char *copy;

	if (i == s->nr || s->wanted[i].symbol >= address)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(s->wanted[i].name);
	s->wanted[i].name = copy;
	s->wanted[i].symbol = address;
	return 0;
}

/* "ffffffff81000000 T name\t[module]"; what is no function, or has no address, is passed over. */
static int take_line(struct search *s, const char *line)
{
	char *end;
	uint64_t address = strtoull(line, &end, 16);

	if (end == line || *end != ' ' || !address || !end[1] || !strchr("tTwW", end[1]) ||
	    end[2] != ' ' || !end[3] || end[3] == '\t')
		return 0;
	if (!s->stext && !strcmp(end + 3, "_stext"))
		s->stext = address;
	return offer(s, address, end + 3);
}

/* Takes the whole lines of text; returns how many bytes they were, or -errno. */
static ssize_t take_lines(struct search *s, char *text, size_t len)
{
	char *line = text, *newline;

	while ((newline = memchr(line, '\n', len - (size_t)(line - text)))) {
		int r;

		*newline = '\0';
		r = take_line(s, line);
		if (r < 0)
			return r;
		line = newline + 1;
	}
	return line - text;
}

static int read_text(struct search *s, int fd)
{
	static char text[CHUNK_BYTES + LINE_BYTES_MAX + 1];
	size_t len = 0;
	uint64_t at = 0;
	ssize_t n, taken;

	while (at < TEXT_BYTES_MAX) {
		n = pread(fd, text + len, CHUNK_BYTES, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_last();
		if (!n && !len)
			return 0;
		at += (uint64_t)n;
		len += (size_t)n;
		if (!n) /* the last line may go without its end */
			text[len++] = '\n';
		taken = take_lines(s, text, len);
		if (taken < 0)
			return (int)taken;
		len -= (size_t)taken;
		if (len >= LINE_BYTES_MAX) /* no line of the kernel's: passed over */
			len = 0;
		memmove(text, text + taken, len);
	}
	return -EFBIG;
}

/*
 * A symbol reaches up to the next one: an address that none is nearer to goes by its neighbour's. Tells the names from
 * their modules.
 */
static void settle(struct search *s, struct kallsyms_found *found)
{
	const char *name = NULL, *module = NULL;
	uint64_t symbol = 0;

	for (size_t i = 0; i < s->nr; i++) {
		struct wanted *w = &s->wanted[i];

		if (w->name) {
			char *tab = strchr(w->name, '\t');

			if (tab)
				*tab = '\0';
			name = w->name;
			module = tab ? tab + 1 : NULL;
			symbol = w->symbol;
		}
		found[i] = (struct kallsyms_found) { .address = w->address,
						     .index = w->index,
						     .symbol = symbol,
						     .name = name,
						     .module = module };
	}
}

void kallsyms_answer_deinit(struct kallsyms_answer *answer)
{
	struct wanted *wanted = answer->names;

	for (size_t i = 0; wanted && i < answer->nr; i++)
		free(wanted[i].name);
	free(wanted);
	free(answer->found);
	*answer = KALLSYMS_ANSWER_NULL;
}

int kallsyms_find(int fd, const uint64_t *addresses, size_t nr, struct kallsyms_answer *ret)
{
	_cleanup_(kallsyms_answer_deinitp) struct kallsyms_answer answer = { .nr = nr };
	struct search s = { .wanted = calloc(nr + 1, sizeof(*s.wanted)), .nr = nr };
	int r;

	answer.names = s.wanted;
	answer.found = calloc(nr + 1, sizeof(*answer.found));
	if (!answer.names || !answer.found)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		s.wanted[i] = (struct wanted) { .address = addresses[i], .index = i };
	qsort(s.wanted, nr, sizeof(*s.wanted), compare);
	r = read_text(&s, fd);
	if (r < 0)
		return r;
	settle(&s, answer.found);
	answer.stext = s.stext;
	*ret = answer;
	answer = KALLSYMS_ANSWER_NULL;
	return 0;
}
