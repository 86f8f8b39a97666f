package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ipqueue/ipqueue/queue"
)

// A field is one of queue.Stats, as Prometheus shall know it.
type field struct {
	name, help string
	kind       prometheus.ValueType
	kernel     bool // of the kernel's row
	value      func(*queue.Stats) float64
}

func counter(name, help string, value func(*queue.Stats) uint64) field {
	return field{name, help, prometheus.CounterValue, false, func(s *queue.Stats) float64 { return float64(value(s)) }}
}

func gauge(name, help string, value func(*queue.Stats) float64) field {
	return field{name, help, prometheus.GaugeValue, false, value}
}

// kernel is for numbers of 32 bits. Prometheus takes one that wraps for one
// that began anew, which is right but for what passed between 2^32 and the
// collection before.
func kernel(name, help string, kind prometheus.ValueType, value func(*queue.KernelStats) uint32) field {
	return field{name, help, kind, true, func(s *queue.Stats) float64 { return float64(value(&s.Kernel)) }}
}

// fields lists all fields of queue.Stats.
func fields() []field {
	var all []field
	for _, some := range [][]field{outcomes(), verdicts(), troubles(), states(), kernels()} {
		all = append(all, some...)
	}
	return all
}

// outcomes add up to the packets received.
func outcomes() []field {
	return []field{
		counter("received_packets_total", "Packets read from the kernel.",
			func(s *queue.Stats) uint64 { return s.Received }),
		counter("decided_packets_total", "Packets whose verdict came from the application.",
			func(s *queue.Stats) uint64 { return s.Decided }),
		gauge("undecided_packets", "Packets that wait for a verdict, or whose verdict has not been sent yet.",
			func(s *queue.Stats) float64 { return float64(s.Undecided) }),
		counter("expired_packets_total", "Packets decided by the deadline, because the application had not decided them in time.",
			func(s *queue.Stats) uint64 { return s.Expired }),
		counter("overflowed_packets_total", "Packets decided because the channel was full.",
			func(s *queue.Stats) uint64 { return s.Overflowed }),
		counter("damaged_packets_total", "Packets decided because their message could not be decoded.",
			func(s *queue.Stats) uint64 { return s.Damaged }),
		counter("gone_packets_total", "Packets that ip_queue had dropped before they were decided.",
			func(s *queue.Stats) uint64 { return s.Gone }),
		counter("abandoned_packets_total", "Packets that were undecided when the queue closed.",
			func(s *queue.Stats) uint64 { return s.Abandoned }),
	}
}

// verdicts are those sent, whoever decided.
func verdicts() []field {
	return []field{
		counter("accepted_packets_total", "Verdicts sent that accept the packet.",
			func(s *queue.Stats) uint64 { return s.Accepted }),
		counter("dropped_packets_total", "Verdicts sent that drop the packet.",
			func(s *queue.Stats) uint64 { return s.Dropped }),
		counter("repeated_packets_total", "Verdicts sent that repeat the chain.",
			func(s *queue.Stats) uint64 { return s.Repeated }),
		counter("stopped_packets_total", "Verdicts sent that accept the packet and skip the remaining chains of the hook.",
			func(s *queue.Stats) uint64 { return s.Stopped }),
		counter("requeued_packets_total", "Verdicts sent that move the packet to another queue.",
			func(s *queue.Stats) uint64 { return s.Requeued }),
		counter("replaced_packets_total", "Verdicts sent that replace the packet.",
			func(s *queue.Stats) uint64 { return s.Replaced }),
	}
}

// troubles are losses before and after the library, and near misses.
func troubles() []field {
	return []field{
		counter("missed_packets_total", "Packets that the kernel numbered for this queue but could not deliver.",
			func(s *queue.Stats) uint64 { return s.Missed }),
		counter("overruns_total", "Times that the kernel reported a full receive buffer (ENOBUFS).",
			func(s *queue.Stats) uint64 { return s.Overruns }),
		counter("refused_verdicts_total", "Verdicts that the kernel refused.",
			func(s *queue.Stats) uint64 { return s.Refused }),
		counter("late_verdicts_total", "Verdicts refused because the kernel no longer had the packet (ENOENT).",
			func(s *queue.Stats) uint64 { return s.Late }),
		counter("lost_answers_total", "Answers of the kernel, nearly all refusals of verdicts, that did not fit in the receive buffer.",
			func(s *queue.Stats) uint64 { return s.LostAnswers }),
		counter("skipped_calls_total", "Calls of OnRefused and OnExpired left out because too many calls waited.",
			func(s *queue.Stats) uint64 { return s.CallsSkipped }),
		counter("skipped_conntrack_changes_total", "Verdicts sent without their change of the connection, because the packet's entry did not allow it.",
			func(s *queue.Stats) uint64 { return s.ConntrackSkipped }),
		counter("malformed_messages_total", "Messages that could not be decoded and contained no packet id.",
			func(s *queue.Stats) uint64 { return s.Malformed }),
		counter("foreign_messages_total", "Messages that came from another process instead of the kernel.",
			func(s *queue.Stats) uint64 { return s.Foreign }),
		counter("send_retries_total", "Times that the kernel had no memory for verdicts, which were then sent again.",
			func(s *queue.Stats) uint64 { return s.SendRetries }),
		counter("left_buffers_total", "Packet buffers not reused because the program may have been reading them.",
			func(s *queue.Stats) uint64 { return s.BuffersLeft }),
	}
}

func states() []field {
	return []field{
		gauge("oldest_undecided_seconds", "Age of the packet that has waited longest for a verdict.",
			func(s *queue.Stats) float64 { return s.OldestUndecided.Seconds() }),
		gauge("read_buffer_bytes", "Size of the socket's receive buffer, as the kernel counts it.",
			func(s *queue.Stats) float64 { return float64(s.ReadBuffer) }),
	}
}

// kernels is the row in /proc/net/netfilter/nfnetlink_queue.
func kernels() []field {
	return []field{
		kernel("kernel_pending_packets", "Packets that wait for a verdict in the kernel, including those not read yet.",
			prometheus.GaugeValue, func(k *queue.KernelStats) uint32 { return k.Pending }),
		kernel("kernel_queue_dropped_packets_total", "Packets that the kernel dropped because the queue was full.",
			prometheus.CounterValue, func(k *queue.KernelStats) uint32 { return k.QueueDropped }),
		kernel("kernel_socket_dropped_packets_total", "Packets that the kernel dropped because the receive buffer was full.",
			prometheus.CounterValue, func(k *queue.KernelStats) uint32 { return k.SocketDropped }),
		kernel("kernel_queued_packets_total", "Packets that the kernel has numbered for the queue: the id it gave last.",
			prometheus.CounterValue, func(k *queue.KernelStats) uint32 { return k.LastID }),
	}
}
