/*
 * Goal: warming memory changes none of it, wherever it begins and ends, and
 * brings it in where the kernel can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "base/pool.h"
#include "store/warm.h"

enum { PAGES = 64, LEN = PAGES * 4096 };

static uint8_t *map(void)
{
	void *bytes = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(bytes, MAP_FAILED);
	return bytes;
}

static size_t resident(void *bytes)
{
	unsigned char pages[PAGES];
	size_t i, count = 0;

	assert_int_equal(mincore(bytes, LEN, pages), 0);
	for (i = 0; i < PAGES; i++)
		count += pages[i] & 1;
	return count;
}

/* More ranges than are under way at once, among them some without a page. */
static void test_bytes_stay(void **state)
{
	uint8_t *bytes = map();
	struct rvs_pool *pool;
	struct rvs_warm *warm;
	size_t i;

	assert_int_equal(rvs_pool_new(2, &pool, NULL), 0);
	assert_int_equal(rvs_warm_new(pool, &warm, NULL), 0);
	memset(bytes, 'x', LEN / 2);
	for (i = 0; i < 100; i++) {
		rvs_warm_ask(warm, bytes + 1000 * i, 9000);
		rvs_warm_ask(warm, bytes + 1000 * i, i % 3);
	}
	rvs_warm_ask(warm, bytes, LEN);
	rvs_warm_wait(warm);
	for (i = 0; i < LEN; i++)
		assert_int_equal(bytes[i], i < LEN / 2 ? 'x' : 0);
	rvs_warm_free(warm);
	rvs_warm_free(NULL);
	rvs_pool_free(pool);
	(void)munmap(bytes, LEN);
}

static void test_no_page_of_others_is_touched(void **state)
{
	uint8_t *bytes = map();
	struct rvs_pool *pool;
	struct rvs_warm *warm;

	assert_int_equal(rvs_pool_new(1, &pool, NULL), 0);
	assert_int_equal(rvs_warm_new(pool, &warm, NULL), 0);
	rvs_warm_ask(warm, bytes + 1, 3 * 4096);
	rvs_warm_wait(warm);
	/* Two whole pages, or none by a kernel that cannot. */
	assert_true(resident(bytes) == 2 || resident(bytes) == 0);
	rvs_warm_free(warm);
	rvs_pool_free(pool);
	(void)munmap(bytes, LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_stay),
		cmocka_unit_test(test_no_page_of_others_is_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
