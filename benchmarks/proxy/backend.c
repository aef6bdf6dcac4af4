/* An inference server that computes nothing: one thread, epoll, HTTP/1.1 with kept connections.
 *
 * usage: backend PORT
 *   PORT      answers every POST with one JSON document
 *   PORT + 1  answers every POST with a stream of 64 events, one write each, all open streams in turns
 * Both answer GET /v1/models and, with 200, any other GET. Listens on 127.0.0.1; ends with SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 20000, HEAD_BYTES = 16384, EVENTS = 64 };

/* What of a request is being read. */
enum part { HEAD, LENGTH, SIZE_LINE, CHUNK, CHUNK_END, TRAILERS };

struct connection {
  enum part part;
  int streams;      /* whether its port streams */
  int get;          /* whether the request under way is a GET, and of what */
  int models;
  long left;        /* bytes of the body, or of a chunk, that are still to come */
  int line;         /* bytes of the chunk line or trailer so far */
  int head_bytes;
  long body;        /* bytes of the request's body, 0 when it did not say */
  int events;       /* of the stream under way that are still to be written */
  const char *out;  /* what is still to be written of one piece */
  size_t out_bytes;
  char json[512];   /* its answer */
  int at;           /* index among the streams, -1 when it is none */
  char head[HEAD_BYTES + 1];
};

static struct connection *all[MAX_FDS];
static int streams[MAX_FDS], open_streams;
static char models[512], stream_head[256], event[256], last_chunk[] = "0\r\n\r\n", ok[128];
static size_t models_bytes, stream_head_bytes, event_bytes, ok_bytes;
static char input[1 << 18];

static size_t answer(char *to, size_t room, const char *body) {
  return (size_t)snprintf(to, room, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(body), body);
}

static void prepare(void) {
  models_bytes = answer(models, sizeof models,
                        "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\",\"max_model_len\":1048576}]}");
  ok_bytes = answer(ok, sizeof ok, "{\"status\":\"ok\"}");
  stream_head_bytes = (size_t)snprintf(stream_head, sizeof stream_head,
                                       "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  const char *data = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,"
                     "\"delta\":{\"content\":\" word\"}}]}\n\n";
  event_bytes = (size_t)snprintf(event, sizeof event, "%zx\r\n%s\r\n", strlen(data), data);
}

static void forget_stream(struct connection *c) {
  if (c->at >= 0) {
    int moved = streams[--open_streams];
    streams[c->at] = moved;
    all[moved]->at = c->at;
    c->at = -1;
  }
}

static void end(int fd) {
  forget_stream(all[fd]);
  free(all[fd]);
  all[fd] = NULL;
  close(fd);
}

/* Writes what can be written of the piece under way; -1 when the connection is broken. */
static int write_on(int fd, struct connection *c) {
  while (c->out_bytes > 0) {
    ssize_t n = send(fd, c->out, c->out_bytes, MSG_NOSIGNAL);
    if (n < 0)
      return errno == EAGAIN ? 0 : -1;
    c->out += n;
    c->out_bytes -= (size_t)n;
  }
  return 0;
}

static int write_piece(int fd, struct connection *c, const char *piece, size_t bytes) {
  c->out = piece;
  c->out_bytes = bytes;
  return write_on(fd, c);
}

/* Four bytes of a body come to a token, as with a tokenizer for English. */
static size_t completion(struct connection *c) {
  char body[384];
  snprintf(body, sizeof body,
           "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":"
           "{\"role\":\"assistant\",\"content\":\"The answer of a server that computes nothing.\"},"
           "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":12,\"total_tokens\":%ld}}",
           c->body / 4, c->body / 4 + 12);
  return answer(c->json, sizeof c->json, body);
}

static int respond(int fd, struct connection *c) {
  c->part = HEAD;
  c->head_bytes = 0;
  if (c->get)
    return c->models ? write_piece(fd, c, models, models_bytes) : write_piece(fd, c, ok, ok_bytes);
  if (!c->streams)
    return write_piece(fd, c, c->json, completion(c));
  if (c->at >= 0) /* a request behind one that is not answered yet, or another protocol's greeting */
    return -1;
  c->events = EVENTS;
  c->at = open_streams;
  streams[open_streams++] = fd;
  return write_piece(fd, c, stream_head, stream_head_bytes);
}

static const char *field(const char *head, const char *name) {
  const char *at = strcasestr(head, name);
  return at ? at + strlen(name) : NULL;
}

/* Reads on; -1 when the connection is to be closed. */
static int feed(int fd, struct connection *c, const char *b, size_t n) {
  size_t i = 0;
  while (i < n) {
    switch (c->part) {
    case HEAD: {
      size_t room = (size_t)(HEAD_BYTES - c->head_bytes), take = n - i < room ? n - i : room;
      int before = c->head_bytes;
      if (take == 0)
        return -1;
      memcpy(c->head + c->head_bytes, b + i, take);
      c->head_bytes += (int)take;
      c->head[c->head_bytes] = 0;
      char *stop = strstr(c->head, "\r\n\r\n");
      if (!stop) {
        i += take;
        break;
      }
      i += (size_t)(stop + 4 - c->head - before);
      stop[2] = 0;
      const char *length = field(c->head, "\ncontent-length:");
      c->get = strncmp(c->head, "GET ", 4) == 0;
      c->models = strncmp(c->head, "GET /v1/models", 14) == 0;
      c->left = length ? atol(length) : 0;
      c->body = c->left;
      c->line = 0;
      if (field(c->head, "\ntransfer-encoding: chunked")) {
        c->part = SIZE_LINE;
        c->left = 0;
      } else if (c->left > 0) {
        c->part = LENGTH;
      } else if (respond(fd, c) < 0) {
        return -1;
      }
      break;
    }
    case LENGTH:
    case CHUNK: {
      size_t take = (size_t)c->left < n - i ? (size_t)c->left : n - i;
      c->left -= (long)take;
      i += take;
      if (c->left == 0) {
        if (c->part == CHUNK)
          c->part = CHUNK_END;
        else if (respond(fd, c) < 0)
          return -1;
      }
      break;
    }
    case SIZE_LINE: {
      char d = b[i++];
      if (d == '\n') {
        c->part = c->left > 0 ? CHUNK : TRAILERS;
        c->line = 0;
      } else if (d != '\r') {
        c->left = c->left * 16 + (d <= '9' ? d - '0' : (d | 32) - 'a' + 10);
      }
      break;
    }
    case CHUNK_END:
      if (b[i++] == '\n') {
        c->part = SIZE_LINE;
        c->left = 0;
      }
      break;
    case TRAILERS: {
      char d = b[i++];
      if (d == '\n' && c->line == 0) {
        if (respond(fd, c) < 0)
          return -1;
      } else {
        c->line = d == '\n' ? 0 : d == '\r' ? c->line : c->line + 1;
      }
      break;
    }
    }
  }
  return 0;
}

/* One event of each open stream that can take one. */
static void write_events(void) {
  for (int k = open_streams - 1; k >= 0; k--) {
    int fd = streams[k];
    struct connection *c = all[fd];
    int broken = write_on(fd, c) < 0;
    if (!broken && c->out_bytes == 0) {
      if (c->events-- > 0) {
        broken = write_piece(fd, c, event, event_bytes) < 0;
      } else {
        forget_stream(c);
        broken = write_piece(fd, c, last_chunk, sizeof last_chunk - 1) < 0;
      }
    }
    if (broken)
      end(fd);
  }
}

static int listen_on(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&to, sizeof to) || listen(fd, 4096)) {
    perror("backend");
    exit(1);
  }
  return fd;
}

static void watch(int epoll, int fd, unsigned events) {
  struct epoll_event e = {.events = events, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void take(int epoll, int listener, int streaming) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    struct connection *c = fd < MAX_FDS ? calloc(1, sizeof *c) : NULL;
    if (!c) {
      close(fd);
      continue;
    }
    c->streams = streaming;
    c->at = -1;
    all[fd] = c;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET);
  }
}

int main(int argc, char **argv) {
  if (argc != 2 || atoi(argv[1]) < 1) {
    fprintf(stderr, "usage: backend PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  prepare();
  int epoll = epoll_create1(0), plain = listen_on(atoi(argv[1])), streaming = listen_on(atoi(argv[1]) + 1);
  watch(epoll, plain, EPOLLIN);
  watch(epoll, streaming, EPOLLIN);
  struct epoll_event ready[512];
  for (;;) {
    int n = epoll_wait(epoll, ready, 512, open_streams ? 0 : -1);
    for (int k = 0; k < n; k++) {
      int fd = ready[k].data.fd;
      if (fd == plain || fd == streaming) {
        take(epoll, fd, fd == streaming);
        continue;
      }
      if (!all[fd])
        continue;
      int broken = write_on(fd, all[fd]) < 0;
      for (ssize_t got = 1; !broken && got > 0;) {
        got = recv(fd, input, sizeof input, 0);
        broken = got == 0 || (got < 0 && errno != EAGAIN) || (got > 0 && feed(fd, all[fd], input, (size_t)got) < 0);
      }
      if (broken)
        end(fd);
    }
    write_events();
  }
}
