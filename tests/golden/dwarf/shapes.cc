// Templates, lambdas, namespaces, methods within their class.
volatile int sink;

namespace shop
{
namespace inner
{
template <typename T, int N> struct cart {
	T items[N];

	T sum() const
	{
		T total = 0;
		for (int i = 0; i < N; i++)
			total += items[i];
		return total;
	}
	template <typename F> T each(F f) const
	{
		T total = 0;
		for (int i = 0; i < N; i++)
			total += f(items[i]);
		return total;
	}
};
} // namespace inner

struct shape {
	virtual int area() const = 0;
};

struct square final : shape {
	int side;
	__attribute__((noinline)) explicit square(int s) : side(s)
	{
	}
	int area() const override
	{
		return side * side;
	}
};

__attribute__((noinline)) int buy(int n)
{
	inner::cart<int, 4> c = { { n, 2, 3, sink } };
	auto price = [n](int item) { return item * n + sink; };

	return c.sum() + c.each(price) + c.each([](int item) { return item ^ sink; });
}
} // namespace shop

extern "C" void __cxa_pure_virtual()
{
}
void *vtable_base[16] __asm__("_ZTVN10__cxxabiv120__si_class_type_infoE");
void *vtable_base2[16] __asm__("_ZTVN10__cxxabiv117__class_type_infoE");

extern "C" void _start()
{
	for (;;) {
		shop::square s(sink);
		const shop::shape *volatile p = &s;

		sink = shop::buy(sink) + p->area();
	}
}
