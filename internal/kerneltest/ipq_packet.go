package kerneltest

import (
	"time"
)

const nameLen = 16 // IFNAMSIZ

// appendPacket appends an IPQM_PACKET (ipq_build_packet_message). It completes
// the packet's checksum if the payload is copied.
func (q *ipq) appendPacket(b []byte, p *Packet, id uint64) []byte {
	var data []byte
	if q.mode == ipqCopyPacket {
		p.complete()
		data = p.Payload
		if q.copyRange > 0 {
			data = data[:min(len(data), int(q.copyRange))]
		}
	}
	start := len(b)
	b = appendHeader(q.abi.order, b, header{kind: ipqmPacket})
	b = q.appendPacketInfo(b, p, id)
	b = q.abi.fill(b, start)
	b = q.abi.appendLong(b, uint64(len(data)))
	b = q.appendUnclean(append(b, data...))
	q.abi.order.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendPacketInfo appends struct ipq_packet_msg up to data_len.
func (q *ipq) appendPacketInfo(b []byte, p *Packet, id uint64) []byte {
	sec, usec := unixTime(p.Time)
	b = q.abi.appendLong(b, id)
	b = q.abi.appendLong(b, uint64(p.Mark))
	b = q.abi.appendLong(b, sec)
	b = q.abi.appendLong(b, usec)
	b = q.abi.order.AppendUint32(b, uint32(p.Hook))
	b = appendFixed(b, p.In.Name, nameLen)
	b = appendFixed(b, p.Out.Name, nameLen)
	b = append(b, byte(p.Protocol>>8), byte(p.Protocol))
	b = q.abi.order.AppendUint16(b, p.HWType)
	b = append(b, byte(len(p.HWAddr)))
	return appendFixed(b, string(p.HWAddr), 8)
}

// appendUnclean pads b with arbitrary bytes: the kernel does not clear the padding
// in an skb.
func (q *ipq) appendUnclean(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, byte(1+q.k.random.IntN(255)))
	}
	return b
}

// unixTime is a struct timeval; the zero Time is 0.
func unixTime(t time.Time) (sec, usec uint64) {
	if t.IsZero() {
		return 0, 0
	}
	return uint64(t.Unix()), uint64(t.Nanosecond() / 1000)
}

// appendFixed appends s cut or filled with zeros to n bytes.
func appendFixed(b []byte, s string, n int) []byte {
	field := make([]byte, n)
	copy(field, s)
	return append(b, field...)
}
