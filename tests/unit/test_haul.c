/*
 * Goal: what is added comes down in its order: links after what they name,
 * directories' attributes after their files; descriptors are bounded; after a
 * failure, which is named, all of them are given back.
 */
#include "crewed.h"

#include <dirent.h>
#include <fcntl.h>

#include "job/haul.h"

enum { FOLDERS = 600 };

struct hauled {
	struct crewed crewed;
	struct rvs_hauls hauls;
	char *restored[8 * FOLDERS];
};

static void start(struct hauled *h, struct rvs_store *store)
{
	crewed_start(&h->crewed, store);
	assert_int_equal(mkdir("target", 0755), 0);
	h->hauls = (struct rvs_hauls){ .crew = &h->crewed.crew,
				       .root = open("target", O_RDONLY),
				       .restored = h->restored };
	assert_true(h->hauls.root >= 0);
}

static void finish(struct hauled *h)
{
	assert_int_equal(h->hauls.ends, 0);
	(void)close(h->hauls.root);
	crewed_done(&h->crewed);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static int make_folder(const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "target/%s", name);
	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void fill_folders(void)
{
	char path[64];
	unsigned i;

	for (i = 0; i < FOLDERS; i++) {
		(void)snprintf(path, sizeof(path), "source/%03u", i);
		assert_int_equal(mkdir(path, 0755), 0);
		(void)snprintf(path, sizeof(path), "source/%03u/f", i);
		write_random(path, 100 + i, i);
	}
}

static void test_directories_end_after_their_files(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct hauled h = { 0 };
	char first[] = "000/f";
	unsigned i, before;

	fill_folders();
	assert_int_equal(link("source/000/f", "source/599/g"), 0);
	start(&h, store);
	h.restored[crewed_find(&h.crewed, "000/f")] = first;
	before = open_descriptors();
	for (i = 0; i < FOLDERS; i++) {
		char name[8], file[16];
		int fd;

		(void)snprintf(name, sizeof(name), "%03u", i);
		(void)snprintf(file, sizeof(file), "%03u/f", i);
		fd = make_folder(name);
		expect_ok(rvs_hauls_add(&h.hauls, crewed_find(&h.crewed, file),
					fd), h.crewed.err);
		if (i == FOLDERS - 1)
			expect_ok(rvs_hauls_link(&h.hauls,
						 crewed_find(&h.crewed,
							     "599/g"), fd),
				  h.crewed.err);
		expect_ok(rvs_hauls_end(&h.hauls, crewed_find(&h.crewed, name),
					fd), h.crewed.err);
		assert_true(open_descriptors() <= before + 128 + 64);
	}
	expect_ok(rvs_hauls_collect(&h.hauls), h.crewed.err);
	/* Whatever made a file in one last would have changed its time. */
	assert_int_equal(system("cd source && find . -mindepth 1 -printf "
				"'%P %y %m %s %T@ %n\\n' | sort > ../a; "
				"cd ../target && find . -mindepth 1 -printf "
				"'%P %y %m %s %T@ %n\\n' | sort > ../b; "
				"cmp ../a ../b && cd .. && "
				"diff -r source target"), 0);
	finish(&h);
}

static void test_a_failure_gives_all_back(void **state)
{
	RVS_CLEANUP(close_store) struct rvs_store *store = new_store();
	struct hauled h = { 0 };
	int fd;

	fill_folders();
	start(&h, store);
	fd = make_folder("007");
	write_text("target/007/f", "mine");
	(void)rvs_hauls_add(&h.hauls, crewed_find(&h.crewed, "007/f"), fd);
	(void)rvs_hauls_end(&h.hauls, crewed_find(&h.crewed, "007"), fd);
	expect_status(rvs_hauls_collect(&h.hauls), RVS_ERR_EXISTS,
		      h.crewed.err);
	assert_non_null(strstr(h.crewed.err.text, "in 007: f"));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	finish(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_directories_end_after_their_files),
		sandbox_test(test_a_failure_gives_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
