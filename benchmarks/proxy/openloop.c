/* Requests at their own times, whatever became of those before: times count from when a request was to be sent.
 *
 * openloop load PORT RATE SECONDS CONNECTIONS BODY    prints: done bad p50 p99 p999 most late99, times in microseconds
 * openloop upload PORT SECONDS BODY                   sends the body again and again, a fifth of a second between; prints how often
 *
 * Arrivals are a Poisson process of a fixed seed, the same for everybody who is measured. A request that finds no free connection
 * waits for one, which counts. `late` is how much later than meant requests went out for which a connection was free: the
 * generator's own fault. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 20, READ = 1 << 16 };

struct link {
  int fd, busy;
  double meant;
  size_t have;
  long need; /* bytes of head and body, -1 until the head is there */
  int status;
  char in[READ];
};

static char *request;
static size_t length;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void prepare(int port, const char *file) {
  FILE *f = fopen(file, "rb");
  if (!f) fail(file);
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  request = malloc(n + 512);
  int head = sprintf(request,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                     "Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\nContent-Length: %ld\r\n\r\n",
                     port, n);
  if (fread(request + head, 1, n, f) != (size_t)n) fail(file);
  fclose(f);
  length = head + n;
}

/* Whether the answer is whole; -1 when it is none. */
static int whole(struct link *l) {
  if (l->need < 0) {
    char *end = memmem(l->in, l->have, "\r\n\r\n", 4);
    if (!end) return l->have == READ ? -1 : 0;
    l->status = atoi(l->in + 9);
    l->need = end + 4 - l->in;
    for (char *line = l->in; line < end; line = (char *)memmem(line, end + 2 - line, "\r\n", 2) + 2)
      if (!strncasecmp(line, "content-length:", 15)) l->need += atol(line + 15);
    if (l->need > READ) return -1;
  }
  return l->have >= (size_t)l->need;
}

static int by_size(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return d < 0 ? -1 : d > 0;
}

static double at(double *sorted, long n, double part) { return n ? sorted[(long)fmin(n - 1, part * n)] : 0; }

static void load(int port, double rate, double seconds, int links) {
  struct link *all = calloc(links, sizeof *all);
  struct link **idle = calloc(links, sizeof *idle);
  double *times = calloc(MOST, sizeof *times), *late = calloc(MOST, sizeof *late), *queue = calloc(MOST, sizeof *queue);
  long done = 0, bad = 0, came = 0, sent = 0, lates = 0;
  int poll = epoll_create1(0), free_ = 0;
  for (int k = 0; k < links; k++) {
    all[k].fd = dial(port);
    fcntl(all[k].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[k]};
    epoll_ctl(poll, EPOLL_CTL_ADD, all[k].fd, &e);
    idle[free_++] = &all[k];
  }
  unsigned short seed[3] = {1, 2, 3};
  double start = now(), next = start, end = start + seconds * 1e6;
  while (came < MOST && (next < end || sent < came || free_ < links)) {
    double t = now();
    if (t > end + 10e6) break;
    for (; next <= t && next < end && came < MOST; next += -log(1 - erand48(seed)) * 1e6 / rate) queue[came++] = next;
    while (free_ > 0 && sent < came) {
      struct link *l = idle[--free_];
      l->meant = queue[sent++];
      l->have = 0;
      l->need = -1;
      l->busy = 1;
      if (sent == came) late[lates++] = now() - l->meant;
      if (send(l->fd, request, length, 0) != (ssize_t)length) fail("send");
    }
    double wait = next < end && next > now() ? next - now() : 0;
    if (next >= end) wait = 1000;
    struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)(fmin(wait, 100000) * 1000)};
    struct epoll_event events[64];
    int n = epoll_pwait2(poll, events, 64, &pause, NULL);
    for (int k = 0; k < n; k++) {
      struct link *l = events[k].data.ptr;
      ssize_t got = recv(l->fd, l->in + l->have, READ - l->have, 0);
      if (got <= 0) {
        if (got < 0 && errno == EAGAIN) continue;
        fprintf(stderr, "a connection ended\n");
        exit(1);
      }
      l->have += got;
      int w = l->busy ? whole(l) : -1;
      if (w < 0) {
        fprintf(stderr, "no answer that is meant\n");
        exit(1);
      }
      if (w) {
        times[done++] = now() - l->meant;
        bad += l->status != 200;
        l->busy = 0;
        idle[free_++] = l;
      }
    }
  }
  bad += came - done;
  qsort(times, done, sizeof *times, by_size);
  qsort(late, lates, sizeof *late, by_size);
  printf("%ld %ld %.0f %.0f %.0f %.0f %.0f\n", done, bad, at(times, done, .5), at(times, done, .99), at(times, done, .999),
         at(times, done, 1), at(late, lates, .99));
}

static void upload(int port, double seconds) {
  static char in[READ];
  long times = 0;
  for (double end = now() + seconds * 1e6; now() < end; times++) {
    int fd = dial(port);
    for (size_t from = 0; from < length;) {
      ssize_t n = send(fd, request + from, length - from < READ ? length - from : READ, MSG_NOSIGNAL);
      if (n <= 0) fail("upload");
      from += n;
    }
    if (recv(fd, in, sizeof in, 0) <= 0 || strncmp(in + 9, "200", 3)) {
      fprintf(stderr, "upload: %.60s\n", in);
      exit(1);
    }
    close(fd);
    usleep(200000);
  }
  printf("%ld\n", times);
}

int main(int n, char **a) {
  if (n == 7 && !strcmp(a[1], "load")) {
    prepare(atoi(a[2]), a[6]);
    load(atoi(a[2]), atof(a[3]), atof(a[4]), atoi(a[5]));
  } else if (n == 5 && !strcmp(a[1], "upload")) {
    prepare(atoi(a[2]), a[4]);
    upload(atoi(a[2]), atof(a[3]));
  } else {
    fprintf(stderr, "usage: openloop load PORT RATE SECONDS CONNECTIONS BODY | upload PORT SECONDS BODY\n");
    return 2;
  }
  return 0;
}
