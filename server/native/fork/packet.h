#ifndef FORKBUS_PACKET_H
#define FORKBUS_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* A packet of the link (docs/FORK-SERVERS.md), and the descriptors that travel with it. */
enum { PACKET_BYTES = 512, PACKET_FILES = 8 };
struct packet {
  uint8_t bytes[PACKET_BYTES];
  size_t length; /* 0 at the end of the link */
  int files[PACKET_FILES];
  int file_count;
  uint64_t at; /* CLOCK_MONOTONIC in nanoseconds */
};

/* Waits for a packet once. 0, or an errno, negated: EINTR among them. */
int packet_receive(int socket, struct packet *packet);
/* The same, whatever interrupts it. */
int packet_await(int socket, struct packet *packet);
/* What came with it is closed. */
void packet_close(const struct packet *packet);

uint64_t monotonic_ns(void);

#endif
