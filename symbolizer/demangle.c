/*
 * Demangling, with an end.
 *
 * A mangled name may refer to its own parts, so that every few bytes double what it stands for: 150 bytes make gigabytes.
 * libiberty bounds its recursion and nothing else. Its demanglers of C++ and Rust hand out their text in pieces and hold
 * no memory meanwhile, so that the piece which is one too many is answered by a jump out of them. That of D keeps its
 * pieces in memory by xmalloc() and xrealloc(), which are therefore ours; what it held when it was left is lost, and after
 * LEFT_MAX such names there are no more names of D.
 */
#include "symbolizer/demangle.h"
#include "agent/base/buf.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <libiberty/libiberty.h>
#include <setjmp.h>
#include <string.h>

/* Mangled names grow when they are read; a longer one is an attack or of no use to a person. */
#define MANGLED_MAX 4096
#define TEXT_MAX 32768
#define LEFT_MAX 16
#define D_BYTES_MAX                                                                                \
	(256u << 10) /* of all pieces together: the largest of Phobos' 16,000 names take 30 KiB */

struct run {
	jmp_buf leave;
	const char *name;
	int options;
	struct buf text;
	size_t d_bytes;
};

static struct run *running; /* in D's demangler, which tells its allocator nothing */
static unsigned int nr_left;

static void *allocate(void *old, size_t size)
{
	void *p = NULL;

	if (running)
		running->d_bytes += size;
	if (!running || running->d_bytes <= D_BYTES_MAX)
		p = realloc(old, size ? size : 1);
	if (!p && running)
		longjmp(running->leave, 1);
	if (!p)
		abort(); /* nobody else calls these */
	return p;
}

void *xmalloc(size_t size)
{
	return allocate(NULL, size);
}

void *xrealloc(void *p, size_t size)
{
	return allocate(p, size);
}

static void on_text(const char *text, size_t len, void *userdata)
{
	struct run *run = userdata;

	if (buf_add(&run->text, text, len) < 0)
		longjmp(run->leave, 1);
}

/* Rust's legacy names are C++'s with a hash at the end, …17h0123456789abcdefE: most of C++'s need not be tried. */
static bool may_be_rust(const char *name)
{
	return name[1] == 'R' || strstr(name, "17h");
}

static bool run_callbacks(struct run *run)
{
	if (setjmp(run->leave))
		return false;
	if (may_be_rust(run->name) && rust_demangle_callback(run->name, run->options, on_text, run))
		return true;
	run->text.len = 0;
	return cplus_demangle_v3_callback(run->name, run->options, on_text, run);
}

static char *run_d(struct run *run)
{
	char *text;

	if (nr_left == LEFT_MAX)
		return NULL;
	if (setjmp(run->leave)) {
		running = NULL;
		nr_left++;
		return NULL;
	}
	running = run;
	text = dlang_demangle(run->name, run->options);
	running = NULL;
	return text;
}

/* How many bytes at text are the sign of an operator: what looks like brackets there is none. */
static size_t operator_length(const char *text)
{
	static const char *const signs[] = { "<=>", "<<=", ">>=", "->*", "<<", ">>",
					     "<=",  ">=",  "->",  "()",  "<",  ">" };

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (!strncmp(text, signs[i], strlen(signs[i])))
			return strlen(signs[i]);
	}
	return strspn(text, "+-*/%^&|~!=,[]");
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || c == '$' || (c & 0x80);
}

/* Behind the brackets that begin at text; NULL if they do not end. */
static const char *skip_brackets(const char *text, char open, char close)
{
	unsigned int depth = 0;

	for (; *text; text++) {
		if (*text == open)
			depth++;
		else if (*text == close && !(close == '>' && text[-1] == '-') && --depth == 0)
			return text + 1;
	}
	return NULL;
}

/* Takes the template arguments out of a name of C++ or Rust; leaves it alone where they cannot be told. */
static void cut_templates(char *text)
{
	static const char word[] = "operator";
	const char *from = text;
	char *to = text;

	while (*from) {
		bool begins = from == text || !is_word(from[-1]);
		const char *behind = NULL;
		size_t len = 1;

		if (begins && !strncmp(from, word, sizeof(word) - 1) && !is_word(from[8])) {
			len = sizeof(word) - 1;
			len += operator_length(from + len);
			behind = from + len + (from[len] == ' '); /* "operator<< <int>" */
			behind = *behind == '<' ? skip_brackets(behind, '<', '>') : NULL;
		} else if (*from == '<' && from > text &&
			   (is_word(from[-1]) || from[-1] == ':' || from[-1] == '}') &&
			   strncmp(from, "<impl ", 6) != 0) {
			behind = skip_brackets(from, '<', '>');
			len = behind ? 0 : 1;
			if (behind && to - text >= 2 && to[-1] == ':') /* "collect::<T>" */
				to -= 2;
		}
		memmove(to, from, len);
		to += len;
		from = behind ? behind : from + len;
	}
	*to = '\0';
}

/* "pkg.f!(int).f(int)" becomes "pkg.f.f". */
static void cut_parameters_of_d(char *text)
{
	const char *from = text;
	char *to = text;

	while (*from) {
		const char *behind = NULL;

		if (*from == '!' || *from == '(')
			behind = skip_brackets(from + (*from == '!'), '(', ')');
		if (behind && *from == '!' && from[1] != '(')
			behind = NULL;
		if (behind)
			from = behind;
		else
			*to++ = *from++;
	}
	*to = '\0';
}

char *demangle(const char *name, enum symbolizer_demangle how)
{
	bool is_short = how == SYMBOLIZER_DEMANGLE_SHORT;
	struct run run = { .name = name, .options = is_short ? 0 : DMGL_PARAMS | DMGL_ANSI };
	char *text;

	if (how == SYMBOLIZER_DEMANGLE_NONE || name[0] != '_' ||
	    strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return NULL;
	if (name[1] == 'D') {
		text = run_d(&run);
		if (text && is_short)
			cut_parameters_of_d(text);
		return text;
	}
	buf_init(&run.text, TEXT_MAX);
	text = run_callbacks(&run) ? strdup(buf_str(&run.text)) : NULL;
	buf_deinit(&run.text);
	if (text && is_short)
		cut_templates(text);
	return text;
}

char *demangle_plain(const char *name, enum symbolizer_demangle how)
{
	char *text = how == SYMBOLIZER_DEMANGLE_SHORT && strchr(name, '<') ? strdup(name) : NULL;

	if (text)
		cut_templates(text);
	return text;
}

int demangle_parse(const char *text, enum symbolizer_demangle *ret)
{
	if (!strcmp(text, "full"))
		*ret = SYMBOLIZER_DEMANGLE_FULL;
	else if (!strcmp(text, "short"))
		*ret = SYMBOLIZER_DEMANGLE_SHORT;
	else if (!strcmp(text, "none"))
		*ret = SYMBOLIZER_DEMANGLE_NONE;
	else
		return -EINVAL;
	return 0;
}
