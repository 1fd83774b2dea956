// The CNI plugins calico and calico-ipam as container runtimes start them on a node with an agent: hands the call to the agent as it
// came, prints what the agent answers and ends as it says. Where the agent gives no answer (it is away, the configuration says
// "agent": "none" or another socket, another IPAM plugin has to be run, there are flags) this process becomes the whole plugin, the
// file calico-plugin in its folder, with the same input. It decides nothing itself, so that there is one plugin and not two.
// What travels: packages/cni/src/shim-call.ts. Why it is not TypeScript: docs/decisions/0009-a-shim-before-the-plugin.md.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

#define WHOLE_PLUGIN "calico-plugin"
#define APPEND_TO_LOG "-append-to-log"
#define USUAL_FOLDER "/var/run/calico"
#define USUAL_SOCKET "cni.sock"
// The agent itself answers within 90 s; past this it hangs.
#define LONGEST_ANSWER_SECONDS 120

struct text {
	char *bytes;
	size_t size;
	size_t room;
};

// Prints a CNI error (specification 1.1.0, "Error") and ends.
static void fail(const char *what, const char *cause)
{
	printf("{\"cniVersion\":\"1.0.0\",\"code\":999,\"msg\":\"Cannot run the CNI plugin: %s\",\"details\":\"%s\"}\n", what, cause);
	exit(EXIT_FAILURE);
}

// Makes room for `more` bytes behind what there is, and gives the place.
static char *room_for(struct text *text, size_t more)
{
	if (text->size + more > text->room) {
		text->room = (text->size + more) * 2;
		text->bytes = realloc(text->bytes, text->room);
		if (text->bytes == NULL)
			fail("no memory for the call", strerror(errno));
	}
	return text->bytes + text->size;
}

static void append(struct text *text, const void *bytes, size_t size)
{
	memcpy(room_for(text, size), bytes, size);
	text->size += size;
}

// Appends all that can be read; false on an error, a timeout of the socket among them.
static bool append_all_from(struct text *text, int fd)
{
	for (;;) {
		ssize_t size = read(fd, room_for(text, 16384), 16384);
		if (size > 0)
			text->size += (size_t)size;
		else if (size == 0)
			return true;
		else if (errno != EINTR)
			return false;
	}
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size);
		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	return true;
}

// Becomes the whole plugin, under the name that this one was called by, with `input` on standard input where it has been read already. Gives
// what could not be done, with errno, if that fails.
static const char *try_to_become_whole(char **argv, const struct text *input)
{
	// By the path that this file was run by, symbolic or not: its neighbours are plugins too.
	const char *self = (const char *)getauxval(AT_EXECFN);
	const char *name = strrchr(self, '/');
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%.*s" WHOLE_PLUGIN, name == NULL ? 0 : (int)(name - self) + 1, self) >= (int)sizeof path)
		return "the path of its folder is too long";
	if (input != NULL) {
		int fd = memfd_create("stdin", 0);
		if (fd < 0 || !write_all(fd, input->bytes, input->size) || lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
			return "its input could not be kept";
		close(fd);
	}
	execv(path, argv);
	return "the file " WHOLE_PLUGIN " in its folder could not be run; install the plugin again";
}

static void become_whole(char **argv, const struct text *input)
{
	const char *what = try_to_become_whole(argv, input);
	fail(what, strerror(errno));
}

// Appends lines to a file that is there and has room for them. False where the whole plugin has to: to make it, or to put it aside.
static bool append_to_log(const char *path, intmax_t most, const char *lines, size_t size)
{
	struct stat found;
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool done = fstat(fd, &found) == 0 && found.st_size + (intmax_t)size <= most && write_all(fd, lines, size);
	close(fd);
	return done;
}

static const char *after_space(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

// The socket's path that the network configuration gives in its field "agent", else the usual one; false where there is none. Looks at the text
// alone: the agent reads the whole, and answers only if this was right.
static bool find_socket(const char *config, char *path, size_t room)
{
	const char *field = "\"agent\"";
	const char *found = strstr(config, field);
	if (found != NULL) {
		const char *value = after_space(found + strlen(field));
		if (*value != ':')
			return false;
		value = after_space(value + 1);
		if (*value++ != '"')
			return false;
		size_t size = strcspn(value, "\"\\");
		if (value[size] != '"')
			return false;
		if (size > 0)
			return *value == '/' && snprintf(path, room, "%.*s", (int)size, value) < (int)room;
	}
	const char *folder = getenv("CALICO_RUN_DIR");
	if (folder == NULL || *folder == '\0')
		folder = USUAL_FOLDER;
	return snprintf(path, room, "%s/" USUAL_SOCKET, folder) < (int)room;
}

// What is sent: name, socket, variables, and standard input.
static struct text call_by(const char *program, const char *socket, const struct text *input)
{
	struct text call = {0};
	const char *name = strrchr(program, '/');
	name = name == NULL ? program : name + 1;
	append(&call, name, strlen(name) + 1);
	append(&call, socket, strlen(socket) + 1);
	for (char **variable = environ; *variable != NULL; variable++)
		if (strncmp(*variable, "CNI_", 4) == 0 || strncmp(*variable, "CALICO_", 7) == 0)
			append(&call, *variable, strlen(*variable) + 1);
	append(&call, "", 1);
	append(&call, input->bytes, input->size);
	return call;
}

// Sends the call and gives what came back until the connection ended; false where nobody listens or answers.
static bool exchange(const struct sockaddr_un *address, const struct text *call, struct text *answer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
		return false;
	struct timeval longest = {.tv_sec = LONGEST_ANSWER_SECONDS};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
	char head[32];
	int size = snprintf(head, sizeof head, "call %zu\n", call->size);
	// An agent that ends while it is written to is one that gives no answer.
	signal(SIGPIPE, SIG_IGN);
	bool done = write_all(fd, head, (size_t)size) && write_all(fd, call->bytes, call->size) && append_all_from(answer, fd);
	signal(SIGPIPE, SIG_DFL);
	return done;
}

int main(int argc, char **argv)
{
	if (argc != 1 || getenv("CNI_COMMAND") == NULL)
		become_whole(argv, NULL);
	struct text input = {0};
	if (!append_all_from(&input, STDIN_FILENO))
		fail("standard input cannot be read", strerror(errno));
	append(&input, "", 1);
	input.size--;

	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!find_socket(input.bytes, address.sun_path, sizeof address.sun_path))
		become_whole(argv, &input);
	struct text call = call_by(argv[0], address.sun_path, &input), answer = {0};
	// Where its parts begin and how long they are: standard output, standard error, the log's path and what it takes to append to it.
	int code, head = 0;
	size_t output, errors, path;
	intmax_t most;
	if (!exchange(&address, &call, &answer))
		become_whole(argv, &input);
	append(&answer, "", 1);
	answer.size--;
	if (sscanf(answer.bytes, "%d %zu %zu %zu %jd%n", &code, &output, &errors, &path, &most, &head) != 5 || answer.bytes[head++] != '\n')
		become_whole(argv, &input);
	char *printed = answer.bytes + head;
	size_t size = answer.size - (size_t)head;
	if (output > size || errors > size - output || path > size - output - errors)
		become_whole(argv, &input);
	char *lines = printed + output;
	char *log = lines + errors;
	write_all(STDERR_FILENO, lines, errors);
	if (!write_all(STDOUT_FILENO, printed, output))
		return EXIT_FAILURE;
	if (path > 0 && log[path - 1] == '\0' && !append_to_log(log, most, lines, errors)) {
		struct text rest = {.bytes = log + path, .size = size - output - errors - path};
		// A log that cannot be written is no reason to refuse a pod.
		const char *what = try_to_become_whole((char *[]){argv[0], APPEND_TO_LOG, NULL}, &rest);
		fprintf(stderr, "Cannot write log file %s: %s: %s\n", log, what, strerror(errno));
	}
	return code;
}
