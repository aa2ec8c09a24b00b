/* Who calls whom, as an indented tree. */
#include "agent/core/report_tree.h"
#include "agent/base/hashmap.h"
#include "agent/base/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define NODES_MAX (64u << 20)
#define PREFIX_MAX (16u << 10) /* bytes: five for each level */

struct node {
	uint32_t function;
	uint32_t first, next; /* child, sibling; 0: none */
	int64_t self, total;
};

struct key {
	uint32_t parent, function;
};

struct tree {
	const struct stacks *stacks;
	struct hashmap *index; /* struct key → node */
	struct node *nodes; /* 0 is the whole */
	size_t nr, max;
	struct table *table;
	struct buf prefix;
	double min_percent;
	enum top_order order;
	size_t left; /* lines */
};

static void tree_deinit(struct tree *tree)
{
	hashmap_free(tree->index);
	free(tree->nodes);
	buf_deinit(&tree->prefix);
}
DEFINE_CLEANUP_EMBEDDED(struct tree, tree_deinit)

static int new_node(struct tree *tree, uint32_t parent, uint32_t function, uint32_t *ret)
{
	if (tree->nr == tree->max) {
		size_t max = tree->max ? tree->max + tree->max / 2 : 1024;
		struct node *nodes = reallocarray(tree->nodes, max, sizeof(*nodes));

		if (!nodes)
			return -ENOMEM;
		tree->nodes = nodes;
		tree->max = max;
	}
	tree->nodes[tree->nr] = (struct node) { .function = function };
	if (tree->nr) { /* the whole is nobody's child */
		tree->nodes[tree->nr].next = tree->nodes[parent].first;
		tree->nodes[parent].first = (uint32_t)tree->nr;
	}
	*ret = (uint32_t)tree->nr++;
	return 0;
}

static int child_of(struct tree *tree, uint32_t parent, uint32_t function, uint32_t *ret)
{
	struct key key = { parent, function };
	void *value;
	bool is_new;
	int r = hashmap_put(tree->index, &key, &value, &is_new);

	if (r)
		return r > 0 ? -ENOSPC : r;
	if (is_new)
		r = new_node(tree, parent, function, value);
	*ret = *(uint32_t *)value;
	return r;
}

static int add_sample(struct tree *tree, const struct stacks_sample *sample)
{
	const uint32_t *frames = stacks_frames(tree->stacks, sample);
	uint32_t node = 0;
	int r = 0;

	tree->nodes[0].total = stacks_sum(tree->nodes[0].total, sample->value);
	for (size_t i = sample->nr; i-- > 0 && !r;) {
		r = child_of(tree, node, frames[i], &node);
		if (!r)
			tree->nodes[node].total =
				stacks_sum(tree->nodes[node].total, sample->value);
	}
	tree->nodes[node].self = stacks_sum(tree->nodes[node].self, sample->value);
	return r;
}

static int build(struct tree *tree)
{
	uint32_t whole;
	int r = hashmap_new(&tree->index, sizeof(struct key), sizeof(uint32_t), NODES_MAX);

	if (!r)
		r = new_node(tree, 0, UINT32_MAX, &whole);
	for (size_t i = 0; i < stacks_nr_samples(tree->stacks) && !r; i++)
		r = add_sample(tree, stacks_sample(tree->stacks, i));
	return r;
}

static const char *name_of(const struct tree *tree, uint32_t node)
{
	uint32_t function = tree->nodes[node].function;

	return function == UINT32_MAX ? "[all]" : stacks_function(tree->stacks, function);
}

static int compare_nodes(const void *a, const void *b, void *userdata)
{
	const struct tree *tree = userdata;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int64_t first = tree->nodes[x].total, second = tree->nodes[y].total;
	int name = strcmp(name_of(tree, x), name_of(tree, y));

	if (tree->order == TOP_BY_NAME && name)
		return name;
	if (first != second)
		return first > second ? -1 : 1;
	return name ? name : (x > y) - (x < y);
}

/* The children that are worth a line, sorted, to be freed; what the others add up to, if that is worth one. */
static int children(const struct tree *tree, uint32_t node, uint32_t **ret, size_t *ret_nr,
		    int64_t *ret_rest, size_t *ret_nr_rest)
{
	size_t nr = 0, nr_rest = 0;
	int64_t rest = 0;
	uint32_t *list;

	for (uint32_t c = tree->nodes[node].first; c; c = tree->nodes[c].next)
		nr++;
	list = calloc(nr + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	nr = 0;
	for (uint32_t c = tree->nodes[node].first; c; c = tree->nodes[c].next) {
		int64_t total = tree->nodes[c].total;

		if (fabs(table_share(total, tree->nodes[0].total)) >= tree->min_percent) {
			list[nr++] = c;
			continue;
		}
		rest = stacks_sum(rest, total);
		nr_rest++;
	}
	if (fabs(table_share(rest, tree->nodes[0].total)) < tree->min_percent)
		nr_rest = 0; /* not worth a line even together */
	qsort_r(list, nr, sizeof(*list), compare_nodes, (void *)tree);
	*ret = list;
	*ret_nr = nr;
	*ret_rest = rest;
	*ret_nr_rest = nr_rest;
	return 0;
}

/* Columns of text that is all one column a character. */
static size_t narrow_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static void print_node(struct tree *tree, uint32_t node, const char *branch)
{
	const struct node *n = &tree->nodes[node];
	size_t used = table_columns(tree->table, "%6.2f%%  %6.2f%%  ",
				    table_share(n->total, tree->nodes[0].total),
				    table_share(n->self, tree->nodes[0].total));

	table_style(tree->table, "2");
	buf_adds(tree->table->out, buf_str(&tree->prefix));
	buf_adds(tree->table->out, branch);
	table_style(tree->table, "0");
	used += narrow_columns(buf_str(&tree->prefix)) + narrow_columns(branch);
	/* A deep branch keeps room for names. */
	if (tree->table->width != TEXT_NO_LIMIT)
		used = MIN(used, tree->table->width - MIN(tree->table->width, 20ul));
	if (n->function == UINT32_MAX)
		table_finish(tree->table, "[all]", used);
	else
		top_print_function(tree->table, tree->stacks, n->function, used);
}

static void print_rest(struct tree *tree, int64_t rest, size_t nr_rest)
{
	char text[80];
	size_t used =
		table_columns(tree->table, "%6.2f%%           %s",
			      table_share(rest, tree->nodes[0].total), buf_str(&tree->prefix));

	snprintf(text, sizeof(text), "└ [%zu more below %.3g%%]", nr_rest, tree->min_percent);
	table_finish(tree->table, text, used);
}

static int print_children(struct tree *tree, uint32_t node);

/* A node whose line is printed already, and its chain of only children. */
static int print_below(struct tree *tree, uint32_t node, const char *indent)
{
	size_t before = tree->prefix.len;
	int r;

	buf_adds(&tree->prefix, indent);
	r = tree->prefix.error ? -ENOSPC : print_children(tree, node);
	tree->prefix.len = before;
	tree->prefix.data[before] = '\0';
	return r;
}

static int print_children(struct tree *tree, uint32_t node)
{
	int r = 0;

	for (;;) {
		_cleanup_(freep) uint32_t *list = NULL;
		size_t nr = 0, nr_rest = 0;
		int64_t rest = 0;

		r = children(tree, node, &list, &nr, &rest, &nr_rest);
		if (!r && nr == 1 && !nr_rest && tree->left) {
			tree->left--;
			print_node(tree, list[0], "");
			node = list[0];
			continue;
		}
		for (size_t i = 0; i < nr && !r && tree->left; i++) {
			bool last = i + 1 == nr && !nr_rest;

			tree->left--;
			print_node(tree, list[i], last ? "└ " : "├ ");
			r = print_below(tree, list[i], last ? "  " : "│ ");
		}
		if (!r && nr_rest && tree->left) {
			tree->left--;
			print_rest(tree, rest, nr_rest);
		}
		return r;
	}
}

int report_tree(struct table *t, const struct stacks *s, size_t limit, double min_percent,
		enum top_order order)
{
	_cleanup_(tree_deinitp) struct tree tree = {
		.stacks = s, .table = t, .min_percent = min_percent, .order = order, .left = limit
	};
	int r;

	buf_init(&tree.prefix, PREFIX_MAX);
	buf_adds(&tree.prefix, "");
	r = build(&tree);
	if (r)
		return r;
	table_heading(t, "  TOTAL     SELF  FUNCTION (k: kernel)");
	return print_children(&tree, 0);
}
