// wsload: a WebSocket load generator in C, so that it takes less of the machine than what it measures.
// N connections walk through a script (-step wait:…/send:…), then publish (-pub) and count what comes back. A number of
// nanoseconds travels inside the messages ({t}) and is found again behind the text of -obs, so latency is write -> read
// on one clock. Only frames that begin with -only count (43: acknowledgements); the same text in any other frame is a
// "stray". Each connection knows what it still waits for: an answer to anything else, such as a second answer to the
// same message, is "unknown"; one that says "ok":false is "refused"; one with "duplicate":true is "duplicate".
// The end of the run waits until nothing is outstanding. It reports its own CPU as well, and how long it stood in line
// for the processor, so that a run it was the limit of can be told. Each phase prints one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, UPGRADING, SCRIPT, LIVE, DEAD };
typedef struct {
  int fd, state, step, room, id;
  uint8_t *buf;
  size_t len, cap;
  char *out;
  size_t outlen;
  uint64_t start;
  uint64_t *waiting; // timestamps of what is not answered yet
  int nwaiting, capwaiting;
} Conn;
static Conn *conns;
static int N = 100, ROOMS = 1, W = 1, PORT = 0, SERVER = 0, epfd;
static double RATE = 0, SECS = 5, WARM = 1.5;
static int CONC = 64;
static const char *PATHT = "/", *HOST = "127.0.0.1", *PUB = NULL;
static char *steps[32];
static int nsteps = 0;
static char **tokens = NULL;
static int ntokens = 0;
static int eio = 0;
static uint64_t pubs, dead, answered, counted, stray, unknown, refused, duplicate, outstanding, ids_xor, last_t;
static int live, inflight_conn;
#define BINS 400000 // of 10 us: 4 s
static uint64_t lat_hist[BINS], lag_hist[BINS];
static uint64_t measure_from, measure_to;
static int publishing = 0, hold = 0;
static const char *OBS = "\"t\":", *ONLY = "";
static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void record(uint64_t *hist, uint64_t ns) {
  uint64_t bin = ns / 10000;
  hist[bin < BINS ? bin : BINS - 1]++;
}
// The upper edge of the bin, in ms.
static double percentile(const uint64_t *hist, double p) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < BINS; i++)
    total += hist[i];
  if (!total)
    return 0;
  for (int i = 0; i < BINS; i++) {
    seen += hist[i];
    if (seen >= total * p)
      return (i + 1) * 0.01;
  }
  return BINS * 0.01;
}
static void expand(const char *t, Conn *c, char *o, size_t cap) {
  size_t n = 0;
  char num[32];
  while (*t && n + 64 < cap) {
    if (*t == '{') {
      const char *v = NULL;
      size_t k = 0;
      if (!strncmp(t, "{room}", 6)) {
        sprintf(num, "%d", c->room);
        v = num;
        k = 6;
      } else if (!strncmp(t, "{i}", 3)) {
        sprintf(num, "%d", c->id);
        v = num;
        k = 3;
      } else if (!strncmp(t, "{t}", 3)) {
        last_t = now();
        sprintf(num, "%llu", (unsigned long long)last_t);
        v = num;
        k = 3;
      } else if (!strncmp(t, "{n}", 3)) {
        sprintf(num, "%llu", (unsigned long long)pubs);
        v = num;
        k = 3;
      } else if (!strncmp(t, "{token}", 7)) {
        v = ntokens ? tokens[c->id % ntokens] : "";
        k = 7;
      }
      if (v) {
        size_t l = strlen(v);
        if (n + l + 1 >= cap)
          break;
        memcpy(o + n, v, l);
        n += l;
        t += k;
        continue;
      }
    }
    o[n++] = *t++;
  }
  o[n] = 0;
}
static void flushout(Conn *c) {
  while (c->outlen) {
    ssize_t w = write(c->fd, c->out, c->outlen);
    if (w <= 0)
      break;
    memmove(c->out, c->out + w, c->outlen - w);
    c->outlen -= w;
  }
}
static void rawsend(Conn *c, const void *d, size_t n) {
  if (!c->outlen) {
    ssize_t w = write(c->fd, d, n);
    if (w < 0)
      w = 0;
    if ((size_t)w == n)
      return;
    d = (char *)d + w;
    n -= w;
  }
  c->out = realloc(c->out, c->outlen + n);
  memcpy(c->out + c->outlen, d, n);
  c->outlen += n;
}
static void frame(Conn *c, int op, const char *p, size_t n) {
  static uint8_t b[1 << 20];
  size_t h = 0;
  b[h++] = 0x80 | op;
  if (n < 126)
    b[h++] = 0x80 | n;
  else if (n < 65536) {
    b[h++] = 0x80 | 126;
    b[h++] = n >> 8;
    b[h++] = n;
  } else {
    b[h++] = 0x80 | 127;
    for (int i = 7; i >= 0; i--)
      b[h++] = n >> (8 * i);
  }
  memset(b + h, 0, 4);
  h += 4;
  memcpy(b + h, p, n);
  rawsend(c, b, h + n);
}
static void sendtext(Conn *c, const char *t) {
  static char o[1 << 19];
  expand(t, c, o, sizeof o);
  frame(c, 1, o, strlen(o));
}
static void killc(Conn *c, const char *why) {
  if (c->state == DEAD)
    return;
  if (c->state == LIVE)
    live--;
  else
    inflight_conn--;
  if (dead < 5)
    fprintf(stderr, "conn %d died in state %d step %d: %s\n", c->id, c->state, c->step, why);
  c->state = DEAD;
  dead++;
  close(c->fd);
}
static void publish(Conn *c) {
  pubs++;
  sendtext(c, PUB);
  if (c->nwaiting == c->capwaiting) {
    c->capwaiting = c->capwaiting ? 2 * c->capwaiting : 16;
    c->waiting = realloc(c->waiting, c->capwaiting * sizeof *c->waiting);
  }
  c->waiting[c->nwaiting++] = last_t;
  outstanding++;
}
static int answers(Conn *c, uint64_t ts) {
  for (int i = 0; i < c->nwaiting; i++)
    if (c->waiting[i] == ts) {
      c->waiting[i] = c->waiting[--c->nwaiting];
      outstanding--;
      return 1;
    }
  return 0;
}
static void advance(Conn *c) {
  while (c->step < nsteps && !strncmp(steps[c->step], "send:", 5)) {
    sendtext(c, steps[c->step] + 5);
    c->step++;
  }
  if (c->step >= nsteps && c->state != LIVE) {
    c->state = LIVE;
    live++;
    inflight_conn--;
  }
}
static void ontext(Conn *c, const char *p, size_t n) {
  if (eio && n == 1 && p[0] == '2') {
    frame(c, 1, "3", 1);
    return;
  }
  if (c->state == SCRIPT) {
    const char *w = steps[c->step];
    if (!strncmp(w, "wait:", 5) && memmem(p, n, w + 5, strlen(w + 5))) {
      c->step++;
      advance(c);
    }
    return;
  }
  const char *t = memmem(p, n, OBS, strlen(OBS));
  size_t only = strlen(ONLY);
  if (n < only || memcmp(p, ONLY, only)) {
    stray += t != NULL;
    return;
  }
  if (!t || memmem(p, n, "\"ok\":false", 10)) {
    refused++;
    return;
  }
  uint64_t ts = strtoull(t + strlen(OBS), 0, 10), nw = now();
  if (!answers(c, ts)) {
    unknown++;
    return;
  }
  if (memmem(p, n, "\"duplicate\":true", 16))
    duplicate++;
  answered++;
  ids_xor ^= ts;
  int within = nw >= measure_from && nw < measure_to;
  counted += within;
  if (within || (ts >= measure_from && ts < measure_to))
    record(lat_hist, nw - ts);
  // closed loop: the answer is the credit for the next message
  if (publishing && RATE == 0)
    publish(c);
}
static void onread(Conn *c) {
  static uint8_t rb[1 << 18];
  for (;;) {
    ssize_t r = read(c->fd, rb, sizeof rb);
    if (r == 0) {
      killc(c, "closed");
      return;
    }
    if (r < 0) {
      if (errno == EAGAIN)
        return;
      killc(c, strerror(errno));
      return;
    }
    uint8_t *d = rb;
    size_t n = r;
    if (c->len) {
      if (c->len + n > c->cap) {
        c->cap = c->len + n;
        c->buf = realloc(c->buf, c->cap);
      }
      memcpy(c->buf + c->len, rb, n);
      c->len += n;
      d = c->buf;
      n = c->len;
    }
    size_t o = 0;
    if (c->state == UPGRADING) {
      uint8_t *e = memmem(d, n, "\r\n\r\n", 4);
      if (e) {
        if (memcmp(d, "HTTP/1.1 101", 12)) {
          char m[200];
          snprintf(m, 200, "%.*s", (int)(n < 150 ? n : 150), d);
          killc(c, m);
          return;
        }
        o = e - d + 4;
        c->state = SCRIPT;
        advance(c);
      } else
        goto keep;
    }
    while (n - o >= 2) {
      uint8_t *f = d + o;
      size_t l = f[1] & 127, h = 2;
      if (l == 126) {
        if (n - o < 4)
          break;
        l = f[2] << 8 | f[3];
        h = 4;
      } else if (l == 127) {
        if (n - o < 10)
          break;
        l = 0;
        for (int i = 2; i < 10; i++)
          l = l << 8 | f[i];
        h = 10;
      }
      if (n - o < h + l)
        break;
      int op = f[0] & 15;
      if (op == 1 || op == 2)
        ontext(c, (char *)f + h, l);
      else if (op == 9)
        frame(c, 10, (char *)f + h, l);
      else if (op == 8) {
        char m[160];
        snprintf(m, 160, "close frame %d %.*s", l >= 2 ? f[h] << 8 | f[h + 1] : 0,
                 (int)(l > 2 ? (l - 2 < 100 ? l - 2 : 100) : 0), f + h + 2);
        killc(c, m);
        return;
      }
      o += h + l;
      if (c->state == DEAD)
        return;
    }
  keep:;
    size_t rest = n - o;
    if (rest) {
      if (d != c->buf) {
        if (rest > c->cap) {
          c->cap = rest < 256 ? 256 : rest;
          c->buf = realloc(c->buf, c->cap);
        }
        memcpy(c->buf, d + o, rest);
      } else
        memmove(c->buf, d + o, rest);
    }
    c->len = rest;
    if (!rest && c->cap > 4096) {
      free(c->buf);
      c->buf = NULL;
      c->cap = 0;
    }
    if ((size_t)r < sizeof rb)
      return;
  }
}
static void startconn(Conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  // Ports are free again at once: run after run would use them up otherwise.
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  struct linger reset = {1, 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  struct sockaddr_in b = {.sin_family = AF_INET};
  b.sin_addr.s_addr = htonl(0x7f000001 + (c->id / 20000));
  bind(c->fd, (void *)&b, sizeof b);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  inet_pton(AF_INET, HOST, &a.sin_addr);
  connect(c->fd, (void *)&a, sizeof a);
  c->state = CONNECTING;
  c->start = now();
  inflight_conn++;
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e);
}
static void pump(int ms) {
  struct epoll_event ev[1024];
  int n = epoll_wait(epfd, ev, 1024, ms);
  for (int i = 0; i < n; i++) {
    Conn *c = ev[i].data.ptr;
    if (c->state == DEAD)
      continue;
    if (ev[i].events & EPOLLOUT) {
      if (c->state == CONNECTING) {
        int err = 0;
        socklen_t l = sizeof err;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
        if (err) {
          killc(c, strerror(err));
          continue;
        }
        char p[4096], r[8192];
        expand(PATHT, c, p, sizeof p);
        int k =
            snprintf(r, sizeof r,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     p, HOST, PORT);
        rawsend(c, r, k);
        c->state = UPGRADING;
      } else
        flushout(c);
    }
    if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
      onread(c);
  }
}
static double cpu(int pid) {
  char f[64];
  snprintf(f, 64, "/proc/%d/stat", pid);
  FILE *h = fopen(f, "r");
  if (!h)
    return 0;
  char b[1024];
  size_t n = fread(b, 1, 1023, h);
  b[n] = 0;
  fclose(h);
  char *p = strrchr(b, ')');
  unsigned long u, s;
  sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
  return (double)(u + s) / sysconf(_SC_CLK_TCK);
}
// Seconds that a process's main thread ran, and that it was ready to run and had no processor.
static double running(int pid, double *queued) {
  char f[64];
  snprintf(f, 64, "/proc/%d/schedstat", pid);
  FILE *h = fopen(f, "r");
  unsigned long long run = 0, wait = 0;
  if (h) {
    if (fscanf(h, "%llu %llu", &run, &wait) != 2)
      run = wait = 0;
    fclose(h);
  }
  *queued = wait / 1e9;
  return run / 1e9;
}
typedef struct {
  double at, server, server_main, server_queued, self, self_queued;
} Usage;
static Usage usage(void) {
  Usage u = {.at = now() / 1e9};
  u.self = running(getpid(), &u.self_queued);
  if (SERVER) {
    u.server = cpu(SERVER);
    u.server_main = running(SERVER, &u.server_queued);
  }
  return u;
}
// Shares are of one core. "Queued" is the time lost to other processes: where the server's main thread stood in line
// behind the server's other threads, such as those of the garbage collector, that is its own CPU.
static void print_usage(Usage a, Usage b) {
  double el = b.at - a.at, server = b.server - a.server;
  double queued = b.server_queued - a.server_queued - (server - (b.server_main - a.server_main));
  printf("\"seconds\":%.4f,\"serverCpuSeconds\":%.3f,\"serverCpu\":%.3f,\"serverQueued\":%.3f,\"ownCpu\":%.3f,"
         "\"ownQueued\":%.3f",
         el, server, server / el, queued > 0 ? queued / el : 0, (b.self - a.self) / el,
         (b.self_queued - a.self_queued) / el);
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *a = argv[i];
#define ARG(x) if (!strcmp(a, x))
    ARG("-n") N = atoi(argv[++i]);
    else ARG("-r") ROOMS = atoi(argv[++i]);
    else ARG("-p") PORT = atoi(argv[++i]);
    else ARG("-path") PATHT = argv[++i];
    else ARG("-step") steps[nsteps++] = argv[++i];
    else ARG("-pub") PUB = argv[++i];
    else ARG("-rate") RATE = atof(argv[++i]);
    else ARG("-s") SECS = atof(argv[++i]);
    else ARG("-warm") WARM = atof(argv[++i]);
    else ARG("-w") W = atoi(argv[++i]);
    else ARG("-c") CONC = atoi(argv[++i]);
    else ARG("-eio") eio = 1;
    else ARG("-hold") hold = 1;
    else ARG("-pid") SERVER = atoi(argv[++i]);
    else ARG("-tokens") {
      FILE *f = fopen(argv[++i], "r");
      char *l = NULL;
      size_t z = 0;
      ssize_t k;
      while (f && (k = getline(&l, &z, f)) > 0) {
        if (l[k - 1] == '\n')
          l[k - 1] = 0;
        tokens = realloc(tokens, sizeof(char *) * (ntokens + 1));
        tokens[ntokens++] = strdup(l);
      }
      if (f)
        fclose(f);
    }
    else ARG("-obs") OBS = argv[++i];
    else ARG("-only") ONLY = argv[++i];
    else {
      fprintf(stderr, "?%s\n", a);
      return 2;
    }
  }
  struct rlimit rl = {1048576, 1048576};
  if (setrlimit(RLIMIT_NOFILE, &rl)) {
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
  }
  prctl(PR_SET_TIMERSLACK, 1000);
  epfd = epoll_create1(0);
  conns = calloc(N, sizeof *conns);

  Usage before = usage();
  uint64_t t0 = now();
  int next = 0;
  while (live + (int)dead < N) {
    while (next < N && inflight_conn < CONC) {
      Conn *c = &conns[next];
      c->id = next;
      c->room = next % ROOMS;
      next++;
      startconn(c);
    }
    pump(100);
    if (now() - t0 > 60e9) {
      fprintf(stderr, "setup timed out: live %d dead %llu\n", live, (unsigned long long)dead);
      return 1;
    }
  }
  Usage after = usage();
  printf("{\"phase\":\"connected\",\"live\":%d,\"dead\":%llu,", live, (unsigned long long)dead);
  print_usage(before, after);
  printf("}\n");
  fflush(stdout);
  while (hold)
    pump(1000);
  if (!PUB)
    return 0;
  uint64_t q = now();
  while (now() - q < 500000000ull)
    pump(50);

  publishing = 1;
  uint64_t s0 = now();
  measure_from = s0 + (uint64_t)(WARM * 1e9);
  measure_to = measure_from + (uint64_t)(SECS * 1e9);
  if (RATE == 0)
    for (int i = 0; i < N; i++)
      for (int k = 0; k < W; k++)
        if (conns[i].state == LIVE)
          publish(&conns[i]);
  Usage ua = before;
  int began = 0, writer = 0;
  uint64_t pubs0 = 0, sent = 0;
  for (uint64_t t = now(); t < measure_to; t = now()) {
    if (!began && t >= measure_from) {
      began = 1;
      ua = usage();
      pubs0 = pubs;
    }
    if (RATE == 0) {
      pump(10);
      continue;
    }
    uint64_t due = s0 + (uint64_t)(sent * 1e9 / RATE);
    for (; due <= t; due = s0 + (uint64_t)(++sent * 1e9 / RATE)) {
      Conn *c = &conns[writer++ % N];
      if (c->state != LIVE)
        continue;
      if (due >= measure_from)
        record(lag_hist, now() - due);
      publish(c);
    }
    t = now();
    if (due > t) { // epoll_wait itself knows milliseconds only
      struct pollfd p = {.fd = epfd, .events = POLLIN};
      struct timespec left = {0, due - t < 10000000 ? due - t : 10000000};
      ppoll(&p, 1, &left, NULL);
    }
    pump(0);
  }
  Usage ub = usage();
  publishing = 0;
  uint64_t published = pubs - pubs0, total = counted;
  for (q = now(); outstanding && now() - q < 5000000000ull;)
    pump(20);
  // A second answer to the same message would come now.
  for (q = now(); now() - q < 300000000ull;)
    pump(20);
  printf("{\"phase\":\"published\",\"live\":%d,\"published\":%llu,\"answered\":%llu,\"p50Ms\":%.2f,\"p99Ms\":%.2f,"
         "\"lagP99Ms\":%.2f,\"allPublished\":%llu,\"allAnswered\":%llu,\"outstanding\":%llu,\"stray\":%llu,"
         "\"unknown\":%llu,\"refused\":%llu,\"duplicate\":%llu,\"idsXor\":\"%llu\",",
         live, (unsigned long long)published, (unsigned long long)total, percentile(lat_hist, .5),
         percentile(lat_hist, .99), percentile(lag_hist, .99), (unsigned long long)pubs, (unsigned long long)answered,
         (unsigned long long)outstanding, (unsigned long long)stray, (unsigned long long)unknown,
         (unsigned long long)refused, (unsigned long long)duplicate, (unsigned long long)ids_xor);
  print_usage(ua, ub);
  printf("}\n");
  return 0;
}
