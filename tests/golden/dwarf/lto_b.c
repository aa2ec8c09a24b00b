/* Inlined into another unit, see lto_a.c. */
volatile int sink;

static inline int leaf(int x)
{
	return x * sink;
}

int far_away(int x)
{
	int sum = 0;

	for (int i = 0; i < x; i++)
		sum += leaf(i);
	return sum;
}
