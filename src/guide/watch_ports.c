#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <team.h>

static bool removed;

static void print_port(struct team_handle *th, struct team_port *port)
{
	char name[IFNAMSIZ] = "?";

	team_ifindex2ifname(th, team_get_port_ifindex(port), name, sizeof(name));
	printf("%s: %s\n", name, team_is_port_link_up(port) ? "up" : "down");
}

static int on_ports(struct team_handle *th, void *priv, team_change_type_mask_t mask)
{
	struct team_port *port;

	team_for_each_port(port, th) {
		if (team_is_port_removed(port))
			removed = true;
		else if (team_is_port_changed(port))
			print_port(th, port);
	}
	return 0;
}

static const struct team_change_handler handler = {
	.func = on_ports,
	.type_mask = TEAM_PORT_CHANGE,
};

static int watch(struct team_handle *th, const char *name)
{
	struct pollfd source;
	struct team_port *port;
	char *mode;
	int err;

	err = team_init(th, team_ifname2ifindex(th, name));
	if (err)
		return err;
	err = team_get_mode_name(th, &mode);
	if (err)
		return err;
	printf("mode %s\n", mode);
	err = team_set_notify_peers_count(th, 2);
	if (err)
		return err;
	team_for_each_port(port, th)
		print_port(th, port);
	err = team_change_handler_register(th, &handler, NULL);
	if (err)
		return err;

	source.fd = team_get_event_fd(th);
	source.events = POLLIN;
	while (!removed) {
		if (poll(&source, 1, -1) < 0 && errno != EINTR)
			return -errno;
		err = team_handle_events(th);
		if (err)
			return err;
	}
	printf("removed\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct team_handle *th;
	int err;

	if (argc != 2) {
		fprintf(stderr, "Usage: watch_ports TEAM\n");
		return 2;
	}
	setlinebuf(stdout);
	th = team_alloc();
	if (!th) {
		fprintf(stderr, "no memory\n");
		return EXIT_FAILURE;
	}
	err = watch(th, argv[1]);
	team_free(th);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-err));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
