/* Profiles of any origin as weighted stacks. */
#include "agent/core/report_read.h"
#include "agent/base/text.h"
#include "proto/pprof_read.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define OWNERS_NAMED 10 /* in a message */

struct reading {
	struct report_profile *profile;
	const struct report_wanted *wanted;
	struct pprof_file *file;
	size_t type;
	/* Functions of each location, made when first used. */
	size_t *first_frame; /* + 1, into frames; 0: not yet */
	uint32_t *frames;
	size_t nr_frames, max_frames;
	uint32_t *stack;
	size_t max_stack;
};

static void reading_deinit(struct reading *r)
{
	pprof_file_free(r->file);
	free(r->first_frame);
	free(r->frames);
	free(r->stack);
}
DEFINE_CLEANUP_EMBEDDED(struct reading, reading_deinit)

int report_profile_init(struct report_profile *p)
{
	*p = (struct report_profile) { .stacks = NULL };
	return stacks_new(&p->stacks);
}

void report_profile_deinit(struct report_profile *p)
{
	stacks_free(p->stacks);
}

static int choose_type(struct reading *r, struct err *err)
{
	const struct pprof_info *info = pprof_file_info(r->file);
	_cleanup_(buf_deinitp) struct buf have;

	buf_init(&have, 512);
	r->type = info->default_type;
	if (!r->wanted->type)
		return 0;
	for (size_t i = 0; i < info->nr_types; i++) {
		r->type = i;
		if (!strcmp(info->types[i].type, r->wanted->type))
			return 0;
		buf_adds(&have, i ? ", " : "");
		text_for_terminal(&have, info->types[i].type, 30);
	}
	return err_set(err, -EINVAL, "it has no type \"%s\" (it has: %s)", r->wanted->type,
		       buf_str(&have));
}

static void copy_text(char *to, const char *from)
{
	text_repair(from, strlen(from), to, REPORT_TYPE_MAX);
}

/* Files that are added up count the same. */
static int take_type(struct reading *r, struct err *err)
{
	const struct pprof_info *info = pprof_file_info(r->file);
	struct report_profile *p = r->profile;
	char type[REPORT_TYPE_MAX], unit[REPORT_TYPE_MAX];

	copy_text(type, info->types[r->type].type);
	copy_text(unit, info->types[r->type].unit);
	if (p->any && (strcmp(p->type, type) || strcmp(p->unit, unit)))
		return err_set(
			err, -EINVAL,
			"it counts %s in %s, the file before it %s in %s: choose one that all "
			"have, by --type",
			type, unit, p->type, p->unit);
	strcpy(p->type, type);
	strcpy(p->unit, unit);
	p->duration_ns = stacks_sum(p->duration_ns, MAX(info->duration_ns, 0));
	return 0;
}

/* "libx.so!0x12af": what fleetprof calls an address without a name; here one function for each file. */
static size_t without_address(const char *name, size_t len)
{
	const char *mark = memrchr(name, '!', len);

	if (!mark || mark == name || strncmp(mark, "!0x", 3) || !mark[3] ||
	    mark[3 + strspn(mark + 3, "0123456789abcdef")])
		return len;
	return (size_t)(mark - name);
}

static bool is_kernel(const struct pprof_location_view *l)
{
	return l->has_mapping &&
	       (!strncmp(l->mapping, "[kernel", 7) || !strncmp(l->mapping, "[guest.kernel", 13));
}

static int add_named(struct reading *r, const struct pprof_location_view *l, enum stacks_kind kind,
		     const char *name, uint32_t *ret)
{
	size_t len = strlen(name), plain = l->nr_lines == 1 ? without_address(name, len) : len;
	_cleanup_(freep) char *text = NULL;
	int n = asprintf(&text, "%.*s%s", (int)MIN(plain, 65536ul), name,
			 plain < len ? " (no name)" : "");

	return n < 0 ? -ENOMEM
		     : stacks_add_function(r->profile->stacks, kind, text, (size_t)n, ret);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int add_unnamed(struct reading *r, const struct pprof_location_view *l,
		       enum stacks_kind kind, uint32_t *ret)
{
	_cleanup_(freep) char *text = NULL;
	int n = asprintf(&text, "%.4096s (no name)",
			 *l->mapping ? base_name(l->mapping) : "[unknown]");

	return n < 0 ? -ENOMEM
		     : stacks_add_function(r->profile->stacks, kind, text, (size_t)n, ret);
}

static int reserve(uint32_t **array, size_t *max, size_t want)
{
	size_t size = *max ? *max : 256;
	uint32_t *data;

	if (want <= *max)
		return 0;
	while (size < want)
		size += size / 2;
	data = reallocarray(*array, size, sizeof(*data));
	if (!data)
		return -ENOMEM;
	*array = data;
	*max = size;
	return 0;
}

static size_t frames_of(const struct pprof_location_view *l)
{
	return MAX(l->nr_lines, (size_t)1);
}

static int add_location(struct reading *r, size_t location)
{
	struct pprof_location_view l;
	enum stacks_kind kind;
	int rc;

	if (r->first_frame[location])
		return 0;
	pprof_file_location(r->file, location, &l);
	kind = is_kernel(&l) ? STACKS_KERNEL : STACKS_USER;
	rc = reserve(&r->frames, &r->max_frames, r->nr_frames + frames_of(&l));
	if (!rc && !l.nr_lines)
		rc = add_unnamed(r, &l, kind, &r->frames[r->nr_frames]);
	for (size_t i = 0; i < l.nr_lines && !rc; i++) {
		const char *name = pprof_file_function(r->file, location, i);

		rc = *name ? add_named(r, &l, kind, name, &r->frames[r->nr_frames + i])
			   : add_unnamed(r, &l, kind, &r->frames[r->nr_frames + i]);
	}
	if (rc)
		return rc;
	r->first_frame[location] = r->nr_frames + 1;
	r->nr_frames += frames_of(&l);
	return 0;
}

/* fleetprof's root frame: the process's name, nowhere in memory. */
static bool is_process(const struct reading *r, const struct pprof_sample_view *sample,
		       size_t location)
{
	struct pprof_location_view l;

	pprof_file_location(r->file, location, &l);
	return !l.has_mapping && !l.address && l.nr_lines == 1 && *sample->comm &&
	       !strcmp(pprof_file_function(r->file, location, 0), sample->comm);
}

/* The functions of a sample, leaf first, into r->stack. */
static int collect(struct reading *r, const struct pprof_sample_view *sample, size_t *ret_nr)
{
	size_t nr = 0;
	int rc = 0;

	for (size_t i = 0; i < sample->nr_locations && !rc; i++) {
		size_t location = sample->locations[i];
		struct pprof_location_view l;

		if (nr > STACKS_DEPTH_MAX) /* deep enough to be cut, and counted as such */
			break;
		pprof_file_location(r->file, location, &l);
		rc = reserve(&r->stack, &r->max_stack, nr + frames_of(&l));
		if (!rc && i + 1 == sample->nr_locations && is_process(r, sample, location)) {
			rc = stacks_add_function(r->profile->stacks, STACKS_ROOT, sample->comm,
						 strlen(sample->comm), &r->stack[nr++]);
			break;
		}
		if (!rc)
			rc = add_location(r, location);
		for (size_t j = 0; j < frames_of(&l) && !rc; j++)
			r->stack[nr++] = r->frames[r->first_frame[location] - 1 + j];
	}
	*ret_nr = nr;
	return rc;
}

static int add_sample(struct reading *r, size_t index)
{
	struct pprof_sample_view sample;
	uint32_t owner;
	size_t nr;
	int rc;

	pprof_file_sample(r->file, index, &sample);
	if (r->wanted->owner && strcmp(sample.container, r->wanted->owner))
		return 0;
	r->profile->owner_found = true;
	r->profile->has_owners |= *sample.container;
	if (!sample.values[r->type])
		return 0;
	rc = collect(r, &sample, &nr);
	if (!rc)
		rc = stacks_add_string(r->profile->stacks, sample.container,
				       strlen(sample.container), &owner);
	return rc ? rc
		  : stacks_add_sample(r->profile->stacks, owner, sample.values[r->type], r->stack,
				      nr);
}

static bool is_among(const char *name, const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static void no_owner(struct reading *r, const char *name)
{
	_cleanup_(buf_deinitp) struct buf have, wanted;
	const char *owners[OWNERS_NAMED];
	struct pprof_sample_view sample;
	size_t nr = 0, nr_samples = pprof_file_info(r->file)->nr_samples;

	buf_init(&have, 1024);
	buf_init(&wanted, 256);
	text_for_terminal(&wanted, r->wanted->owner, 60);
	for (size_t i = 0; i < nr_samples && nr < OWNERS_NAMED; i++) {
		pprof_file_sample(r->file, i, &sample);
		if (!*sample.container || is_among(sample.container, owners, nr))
			continue;
		buf_adds(&have, nr ? ", " : "");
		text_for_terminal(&have, sample.container, 60);
		owners[nr++] = sample.container;
	}
	err_set(&r->profile->no_owner, 0,
		nr ? "%s: no owner \"%s\" in it (it has: %s%s)"
		   : "%s: no owner \"%s\" in it: its samples have none",
		name, buf_str(&wanted), buf_str(&have), nr == OWNERS_NAMED ? ", …" : "");
}

static int read_pprof(struct reading *r, const char *name, struct err *err)
{
	const struct pprof_info *info = pprof_file_info(r->file);
	int rc = choose_type(r, err);

	if (!rc)
		rc = take_type(r, err);
	if (rc)
		return rc;
	r->first_frame = calloc(info->nr_locations + 1, sizeof(*r->first_frame));
	rc = r->first_frame ? 0 : -ENOMEM;
	for (size_t i = 0; i < info->nr_samples && !rc; i++)
		rc = add_sample(r, i);
	if (rc)
		return err_errno(err, rc, "cannot take it in");
	if (r->wanted->owner && !r->profile->owner_found && !*r->profile->no_owner.text)
		no_owner(r, name);
	return 0;
}

static bool begins(const char *data, size_t len, const char *with)
{
	return len >= strlen(with) && !strncasecmp(data, with, strlen(with));
}

static bool ends(const char *name, const char *with)
{
	size_t n = strlen(name), m = strlen(with);

	return n >= m && !strcmp(name + n - m, with);
}

/* What people try, and what to do instead. */
static const char *known_format(const char *data, size_t len)
{
	return begins(data, len, "<!doctype html") || begins(data, len, "<html")
		       ? "a page for the browser: give the .pb.gz or .folded that was made with it"
	       : begins(data, len, "PERFILE2")
		       ? "perf's own format: perf script | stackcollapse-perf.pl > X.folded"
	       : begins(data, len,
			"\x7f"
			"ELF")
		       ? "a program, not a profile"
	       : begins(data, len, "--- ") || begins(data, len, "heap profile:") ||
			       begins(data, len, "goroutine profile:")
		       ? "the old text form of pprof: pprof -proto turns it into the new one"
		       : NULL;
}

static int read_any(struct report_profile *p, const char *name, const char *data, size_t len,
		    const struct report_wanted *wanted, struct err *err)
{
	_cleanup_(reading_deinitp) struct reading r = { .profile = p, .wanted = wanted };
	const char *known = known_format(data, len);
	struct err pprof = ERR_NULL;
	int rc;

	if (known)
		return err_set(err, -EINVAL, "%s", known);
	if (!ends(name, ".folded")) {
		rc = pprof_read(&r.file, data, len, &pprof);
		if (!rc)
			return read_pprof(&r, name, err);
		if (rc != -EINVAL || !len || ends(name, ".gz") || ends(name, ".pb") ||
		    !text_is_valid(data, len) || memchr(data, '\0', len))
			return err_set(err, rc, "%s", *pprof.text ? pprof.text : err_str(rc));
	}
	if (p->any && strcmp(p->type, "samples"))
		return err_set(err, -EINVAL, "it counts samples, the file before it %s in %s",
			       p->type, p->unit);
	strcpy(p->type, "samples");
	strcpy(p->unit, "count");
	rc = report_read_folded(p, data, len, wanted, err);
	if (!rc && wanted->owner && !p->owner_found && !*p->no_owner.text)
		err_set(&p->no_owner, 0, "%s: no stack in it begins with \"%s\"", name,
			wanted->owner);
	return rc;
}

int report_read(struct report_profile *p, const char *name, const char *data, size_t len,
		const struct report_wanted *wanted, struct err *err)
{
	struct err what = ERR_NULL;
	int r = read_any(p, name, data, len, wanted, &what);

	p->any |= !r;
	return r ? err_set(err, r, "%s: %s", name, *what.text ? what.text : err_str(r)) : 0;
}
