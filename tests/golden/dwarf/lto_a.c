/* What lto_b.c defines is inlined here. */
int far_away(int x);
extern volatile int sink;

static int near(int x)
{
	return far_away(x) + 1;
}

void _start(void)
{
	for (;;)
		sink = near(sink);
}
