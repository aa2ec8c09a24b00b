/* The files that a line program names: DWARF 5, 6.2.4, and DWARF 4's older form. */
#include "symbolizer/dwarf_lines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>

#define FILES_MAX (1u << DWARF_FILE_BITS)
#define FORMATS_MAX 16 /* DWARF 5 knows five kinds of content */

static int add_directory(struct dwarf_paths *p, const char *name)
{
	int r = mem_grow(p->mem, (void **)&p->directories, &p->directories_size, p->nr_directories,
			 sizeof(*p->directories), FILES_MAX);

	if (!r)
		p->directories[p->nr_directories++] = name;
	return r;
}

static int add_file(struct dwarf_paths *p, const char *name, uint64_t directory)
{
	int r = mem_grow(p->mem, (void **)&p->files, &p->files_size, p->nr_files, sizeof(*p->files),
			 FILES_MAX);

	if (!r)
		p->files[p->nr_files++] = (struct dwarf_path) {
			.name = name, .directory = (uint32_t)MIN(directory, (uint64_t)UINT32_MAX)
		};
	return r;
}

/* Two lists that end with an empty name; directory 0 is the unit's own. */
static int read_4(struct dwarf_paths *p, struct reader *r)
{
	const char *name;
	int rc = add_directory(p, "");

	p->first = 1;
	while (!rc && (name = reader_cstr(r)) && *name)
		rc = add_directory(p, name);
	while (!rc && (name = reader_cstr(r)) && *name) {
		rc = add_file(p, name, reader_uleb(r));
		reader_skip_leb(r); /* time */
		reader_skip_leb(r); /* size */
	}
	return rc;
}

struct formats {
	uint32_t nr;
	struct {
		uint64_t content, form;
	} formats[FORMATS_MAX];
};

static void read_formats(struct reader *r, struct formats *ret)
{
	ret->nr = reader_u8(r);
	if (ret->nr > FORMATS_MAX)
		reader_fail(r);
	for (uint32_t i = 0; i < ret->nr && !r->failed; i++) {
		ret->formats[i].content = reader_uleb(r);
		ret->formats[i].form = reader_uleb(r);
		if (ret->formats[i].form > UINT16_MAX)
			reader_fail(r);
	}
}

static const char *read_entry(struct reader *r, const struct dwarf_program *program,
			      const struct formats *f, uint64_t *ret_directory)
{
	const char *name = NULL;

	*ret_directory = 0;
	for (uint32_t i = 0; i < f->nr; i++) {
		struct dwarf_value value =
			dwarf_read(r, (uint32_t)f->formats[i].form, 0, &program->format);

		if (f->formats[i].content == DW_LNCT_path)
			name = dwarf_unit_string_of(program->unit, program->unit->line_file,
						    &value);
		else if (f->formats[i].content == DW_LNCT_directory_index)
			*ret_directory = value.u;
	}
	return name ? name : "";
}

/* An entry takes a byte at least, so that a count cannot be larger than what is left. */
static uint64_t read_count(struct reader *r, const struct formats *f)
{
	uint64_t count = reader_uleb(r);

	if (count > reader_left(r) || (count && !f->nr))
		reader_fail(r);
	return r->failed ? 0 : count;
}

static int read_5(struct dwarf_paths *p, const struct dwarf_program *program, struct reader *r)
{
	uint64_t count, directory;
	struct formats formats;
	int rc = 0;

	read_formats(r, &formats);
	count = read_count(r, &formats);
	for (uint64_t i = 0; i < count && !rc && !r->failed; i++)
		rc = add_directory(p, read_entry(r, program, &formats, &directory));
	read_formats(r, &formats);
	count = read_count(r, &formats);
	for (uint64_t i = 0; i < count && !rc && !r->failed; i++) {
		const char *name = read_entry(r, program, &formats, &directory);

		rc = add_file(p, name, directory);
	}
	return rc;
}

int dwarf_paths_init(struct dwarf_paths *paths, const struct dwarf_program *program,
		     struct mem *mem)
{
	struct dwarf_paths p = { .mem = mem };
	struct reader r = program->tables;
	int rc;

	image_touch(program->unit->line_file->image, r.at, reader_left(&r));
	rc = program->format.version >= 5 ? read_5(&p, program, &r) : read_4(&p, &r);
	if (rc == -ENOMEM) {
		dwarf_paths_deinit(&p);
		return rc;
	}
	*paths = p;
	return 0;
}

void dwarf_paths_deinit(struct dwarf_paths *p)
{
	mem_free(p->mem, p->files, p->files_size * sizeof(*p->files));
	mem_free(p->mem, p->directories, p->directories_size * sizeof(*p->directories));
	*p = (struct dwarf_paths) { .mem = p->mem };
}

size_t dwarf_paths_write(const struct dwarf_paths *p, const struct dwarf_unit *unit, uint32_t file,
			 char *out, size_t size)
{
	const char *name, *directory = "", *base = "";
	int n;

	if (file < p->first || file - p->first >= p->nr_files)
		return 0;
	name = p->files[file - p->first].name;
	if (*name != '/') {
		uint32_t i = p->files[file - p->first].directory;

		directory = i < p->nr_directories ? p->directories[i] : "";
		if (*directory != '/' && (i || p->first)) /* DWARF 5's 0 is the base itself */
			base = dwarf_unit_string(unit, &unit->comp_dir);
	}
	base = base ? base : "";
	n = snprintf(out, size, "%s%s%s%s%s", base, *base ? "/" : "", directory,
		     *directory ? "/" : "", name);
	return n < 0 ? 0 : MIN((size_t)n, size - 1);
}
