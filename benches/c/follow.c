/*
 * Follows teams with the C library, as a program does that keeps an eye on many of them.
 *
 *   follow IFINDEX…
 *
 * Prints "ready BYTES" once all teams are open, with the number of bytes by which its memory grew. Then each byte on
 * standard input is a query, which is answered when no event waits:
 *
 *   c   WAKE-UPS CALLS WRONG ERRORS CHANGED-AT 0
 *   s   the same with the number of lines that follow: what is known of each team
 *
 * CHANGED-AT is when the last change was handled, in nanoseconds of CLOCK_MONOTONIC. WRONG counts reports of something
 * that was not so: see benches/common/follow.rs, which does the same with the other library and prints the same lines.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <team.h>
#include <time.h>
#include <unistd.h>

enum {
	FIRST_NUMBERED = 5000,
	NUMBERED = 1000,
	FIRST_PASSING = 1000000,
	PASSING = 1000000,
};

struct followed {
	struct team_handle *team;
	uint32_t ifindex;
	/* The number in the last name of each link that is renamed. */
	uint32_t *numbers;
	/* The links that were removed: none of them comes back. */
	unsigned char *removed;
};

struct line {
	uint32_t ifindex;
	char text[64];
};

static unsigned long wake_ups, calls, wrong, errors;
static int64_t changed_at;

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static long resident_bytes(void)
{
	long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
		fail("/proc/self/statm", EIO);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static void *table(size_t count, size_t size)
{
	void *entries = calloc(count, size);

	if (!entries)
		fail("calloc", ENOMEM);
	return entries;
}

static void check_removed(struct followed *followed, uint32_t ifindex)
{
	if (ifindex < FIRST_PASSING) {
		/* It exists all the time. */
		wrong++;
	} else if (ifindex < FIRST_PASSING + PASSING) {
		if (!followed->removed)
			followed->removed = table(PASSING, 1);
		followed->removed[ifindex - FIRST_PASSING] = 1;
	}
}

static void check_link(struct followed *followed, uint32_t ifindex, const char *name)
{
	unsigned int port, number;

	if (ifindex >= FIRST_PASSING && ifindex < FIRST_PASSING + PASSING && followed->removed)
		wrong += followed->removed[ifindex - FIRST_PASSING];
	if (ifindex < FIRST_NUMBERED || ifindex >= FIRST_NUMBERED + NUMBERED || !name ||
	    sscanf(name, "k%ux%u", &port, &number) != 2)
		return;
	if (!followed->numbers)
		followed->numbers = table(NUMBERED, sizeof(*followed->numbers));
	if (number < followed->numbers[ifindex - FIRST_NUMBERED])
		wrong++;
	followed->numbers[ifindex - FIRST_NUMBERED] = number;
}

static int changed(struct team_handle *team, void *data, team_change_type_mask_t kinds)
{
	struct followed *followed = data;
	struct team_ifinfo *link;
	struct team_port *port;

	calls++;
	if (kinds & TEAM_IFINFO_CHANGE) {
		team_for_each_ifinfo(link, team) {
			if (team_is_ifinfo_removed(link))
				check_removed(followed, team_get_ifinfo_ifindex(link));
			else if (team_is_ifinfo_changed(link))
				check_link(followed, team_get_ifinfo_ifindex(link), team_get_ifinfo_ifname(link));
		}
	}
	if (kinds & TEAM_PORT_CHANGE) {
		team_for_each_port(port, team) {
			if (team_is_port_removed(port) && team_get_port_ifindex(port) < FIRST_PASSING)
				wrong++;
		}
	}
	return 0;
}

static const struct team_change_handler handler = { .func = changed, .type_mask = TEAM_ANY_CHANGE };

static void open_team(struct followed *followed)
{
	int error;

	followed->team = team_alloc();
	if (!followed->team)
		fail("team_alloc", ENOMEM);
	error = team_init(followed->team, followed->ifindex);
	if (error)
		fail("team_init", error);
	error = team_change_handler_register(followed->team, &handler, followed);
	if (error)
		fail("team_change_handler_register", error);
}

static int by_ifindex(const void *one, const void *other)
{
	uint32_t left = ((const struct line *)one)->ifindex, right = ((const struct line *)other)->ifindex;

	return (left > right) - (left < right);
}

/* Grows with the number of links. */
static struct line *lines;
static size_t line_count, line_room;

static struct line *new_line(uint32_t ifindex)
{
	if (line_count == line_room) {
		line_room = line_room ? 2 * line_room : 1024;
		lines = realloc(lines, line_room * sizeof(*lines));
		if (!lines)
			fail("realloc", ENOMEM);
	}
	lines[line_count].ifindex = ifindex;
	return &lines[line_count++];
}

static void describe(struct followed *followed)
{
	size_t start = line_count;
	struct team_ifinfo *link;
	struct team_port *port;
	struct line *line = new_line(0);

	snprintf(line->text, sizeof(line->text), "team %u", followed->ifindex);
	start = line_count;
	team_for_each_ifinfo(link, followed->team) {
		const char *name = team_get_ifinfo_ifname(link);
		uint32_t ifindex = team_get_ifinfo_ifindex(link);

		/* The list holds the links of the team and of its ports, and those of former ports. */
		if (team_is_ifinfo_removed(link) ||
		    (ifindex != followed->ifindex && team_get_ifinfo_master_ifindex(link) != followed->ifindex))
			continue;
		line = new_line(ifindex);
		snprintf(line->text, sizeof(line->text), "link %u %s %s %u", ifindex, name ? name : "",
			 team_get_ifinfo_admin_state(link) ? "up" : "down", team_get_ifinfo_master_ifindex(link));
	}
	qsort(lines + start, line_count - start, sizeof(*lines), by_ifindex);
	start = line_count;
	team_for_each_port(port, followed->team) {
		if (team_is_port_removed(port))
			continue;
		line = new_line(team_get_port_ifindex(port));
		snprintf(line->text, sizeof(line->text), "port %u %s", team_get_port_ifindex(port),
			 team_is_port_link_up(port) ? "up" : "down");
	}
	qsort(lines + start, line_count - start, sizeof(*lines), by_ifindex);
}

static bool answer(struct followed *teams, int count)
{
	char query;

	if (read(0, &query, 1) != 1)
		return false;
	line_count = 0;
	for (int i = 0; query == 's' && i < count; i++)
		describe(&teams[i]);
	printf("%lu %lu %lu %lu %lld %zu\n", wake_ups, calls, wrong, errors, (long long)changed_at, line_count);
	for (size_t i = 0; i < line_count; i++)
		puts(lines[i].text);
	fflush(stdout);
	return true;
}

static void handle(struct followed *followed)
{
	unsigned long before = calls;

	wake_ups++;
	if (team_handle_events(followed->team))
		errors++;
	if (calls > before)
		changed_at = now();
}

static void watch(int epoll, int fd, void *data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl", errno);
}

int main(int argc, char **argv)
{
	int count = argc - 1, epoll = epoll_create1(EPOLL_CLOEXEC);
	struct followed *teams = table(count, sizeof(*teams));
	struct epoll_event events[64];
	long before = resident_bytes();

	for (int i = 0; i < count; i++) {
		teams[i].ifindex = strtoul(argv[i + 1], NULL, 10);
		open_team(&teams[i]);
		watch(epoll, team_get_event_fd(teams[i].team), &teams[i]);
	}
	watch(epoll, 0, NULL);
	printf("ready %ld\n", resident_bytes() - before);
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(epoll, events, 64, -1), handled = 0;

		if (ready < 0 && errno != EINTR)
			fail("epoll_wait", errno);
		for (int i = 0; i < ready; i++) {
			if (events[i].data.ptr) {
				handle(events[i].data.ptr);
				handled++;
			}
		}
		if (ready > 0 && !handled && !answer(teams, count))
			return 0;
	}
}
