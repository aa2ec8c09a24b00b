/*
 * In every fuzzer: what is no leak. A name of D that is too long is left on the way, with the memory that its demangler
 * held, a bounded number of times (symbolizer/demangle.c); nobody but that demangler calls these two.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:^xmalloc$\nleak:^xrealloc$\n";
}
