"""
Writes a C program with much code and deep stacks, as a compiler is: thousands of functions that call one another through
a table, 44 calls down, each path another one, some functions much oftener than others; and 64 MB of data, through which
the last of them go.
"""
FUNCTIONS = 6000
DEPTH = 44

HEAD = f"""
#include <stdint.h>
#include <stdlib.h>

#define WORDS ((64u << 20) / 8)

typedef uint64_t function(uint64_t x, int depth);

static function *const functions[{FUNCTIONS}];
static uint64_t *words;

static inline uint64_t mix(uint64_t x)
{{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}}

/* A tenth of the functions has half of the calls, as in a compiler. */
static uint64_t call(uint64_t x, int depth)
{{
	double u = (double)(mix(x) >> 11) / (1ull << 53);

	return functions[(int)(u * u * u * {FUNCTIONS})](x, depth);
}}

__attribute__((noinline)) static uint64_t work(uint64_t x)
{{
	for (int i = 0; i < 300; i++) {{
		x = mix(x + i);
		words[x % WORDS] += x;
	}}
	return x;
}}
"""

TAIL = """
int main(void)
{
	words = calloc(WORDS, 8);
	for (uint64_t x = 1; words; x = mix(x + 1))
		words[0] += call(x, %d);
	return 1;
}
"""


def function(i):
    """A parser's function in kind: it looks at its input, keeps some of it, calls another one, and puts things together."""
    locals_ = i % 5 + 1
    keep = "".join(f"\tuint64_t v{j} = mix(x + {i * 7 + j});\n" for j in range(locals_))
    cases = "".join(f"\tcase {c}: v0 = v0 * {2 * c + i % 13 + 3} + (x >> {c + 3}); words[(v0 + {c}) % WORDS]++; break;\n"
                    for c in range(4 + i % 5))
    array = f"\tuint64_t spare[{i % 17 + 2}];\n\tspare[x % {i % 17 + 2}] = x;\n" if i % 3 == 0 else ""
    spent = f"\tv0 ^= spare[v0 % {i % 17 + 2}];\n" if i % 3 == 0 else ""
    together = "".join(f"\tr = r * {j + 3} ^ v{j};\n" for j in range(locals_))
    return (f"static uint64_t f{i}(uint64_t x, int depth)\n{{\n\tuint64_t r;\n{keep}{array}"
            f"\tswitch (x % {4 + i % 5}) {{\n{cases}\t}}\n"
            f"\tr = depth ? call(v0 + {i}, depth - 1) : work(v0);\n"
            f"\tif (depth > 2 && !(v0 % 64))\n\t\tr += call(r ^ x, depth - 3);\n{spent}{together}\treturn r;\n}}\n")


def write(path):
    with open(path, "w", encoding="ascii") as file:
        file.write(HEAD)
        for i in range(FUNCTIONS):
            file.write(function(i))
        names = "".join(f"\tf{i},\n" for i in range(FUNCTIONS))
        file.write(f"static function *const functions[{FUNCTIONS}] = {{\n{names}}};\n")
        file.write(TAIL % DEPTH)
