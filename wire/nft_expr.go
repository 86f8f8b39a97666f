package wire

import "encoding/binary"

// Attributes of the expressions that concern queues.
const (
	nftaQueueNum      = 1 // enum nft_queue_attributes
	nftaQueueTotal    = 2
	nftaQueueFlags    = 3
	nftaQueueSregQNum = 4

	nftaTargetName = 1 // enum nft_target_attributes
	nftaTargetRev  = 2
	nftaTargetInfo = 3

	nftaImmediateDreg = 1 // enum nft_immediate_attributes
	nftaImmediateData = 2
	nftaDataVerdict   = 2 // enum nft_data_attributes
	nftaVerdictCode   = 1 // enum nft_verdict_attributes
	nftRegVerdict     = 0 // NFT_REG_VERDICT

	nftaCounterPackets = 2 // enum nft_counter_attributes

	nftQueueFlagBypass = 1 // NFT_QUEUE_FLAG_BYPASS, and NFQ_FLAG_BYPASS
)

// queue reads the expression of nft_queue.
func (r *NFTRule) queue(b []byte) error {
	total, flags := uint16(1), uint16(0)
	r.Queue = true
	err := eachAttr(b, func(a Attr) (err error) {
		switch a.Type {
		case nftaQueueNum:
			r.First, err = number16(a.Data)
		case nftaQueueTotal:
			total, err = number16(a.Data)
		case nftaQueueFlags:
			flags, err = number16(a.Data)
		case nftaQueueSregQNum:
			r.Computed = true
		}
		return err
	})
	r.queues(total, flags)
	return err
}

// queues sets the last of total queues, and what the flags say.
func (r *NFTRule) queues(total, flags uint16) {
	r.Last = r.First + max(total, 1) - 1
	r.Bypass = flags&nftQueueFlagBypass != 0
}

// target reads a target of xtables (nft_compat), of which NFQUEUE concerns
// queues.
func (r *NFTRule) target(b []byte) error {
	var name string
	var revision uint32
	var info []byte
	err := eachAttr(b, func(a Attr) (err error) {
		switch a.Type {
		case nftaTargetName:
			name = string(cString(a.Data))
		case nftaTargetRev:
			revision, err = number32(a.Data)
		case nftaTargetInfo:
			info = a.Data
		}
		return err
	})
	if err != nil || name != "NFQUEUE" {
		return err
	}
	return r.nfqueue(revision, info)
}

// nfqueue reads the words of the target NFQUEUE, in the byte order of the
// machine (include/uapi/linux/netfilter/xt_NFQUEUE.h): the queue; since
// revision 1 how many queues; since revision 2 the flags, of which revision 2
// itself has the first as a word of its own.
func (r *NFTRule) nfqueue(revision uint32, info []byte) error {
	words := [3]uint16{1: 1}
	n := int(min(revision, 2)) + 1
	if len(info) < 2*n {
		return &Error{Message: nftMessage, What: "xt_NFQ_info", Want: 2 * n, Got: len(info), Err: ErrTruncated}
	}
	for i := range n {
		words[i] = binary.NativeEndian.Uint16(info[2*i:])
	}
	r.Queue, r.First = true, words[0]
	r.queues(words[1], words[2])
	return nil
}

// immediate reads a constant that is loaded into a register. In the verdict
// register it may be the verdict QUEUE, which is how "-j QUEUE" is told.
func (r *NFTRule) immediate(b []byte) error {
	var register uint32
	var code []byte
	err := eachAttr(b, func(a Attr) (err error) {
		switch a.Type {
		case nftaImmediateDreg:
			register, err = number32(a.Data)
		case nftaImmediateData:
			err = eachAttr(a.Data, func(a Attr) error {
				return eachVerdict(a, func(b []byte) { code = b })
			})
		}
		return err
	})
	if err != nil || register != nftRegVerdict || code == nil {
		return err
	}
	word, err := number32(code)
	if v := Verdict(word); v&0xff == VerdictQueue {
		r.Queue, r.Bypass = true, v&verdictBypass != 0
		r.First = uint16(v >> 16)
		r.Last = r.First
	}
	return err
}

// eachVerdict calls f with the code of a verdict, if a is one.
func eachVerdict(a Attr, f func(code []byte)) error {
	if a.Type != nftaDataVerdict {
		return nil
	}
	return eachAttr(a.Data, func(a Attr) error {
		if a.Type == nftaVerdictCode {
			f(a.Data)
		}
		return nil
	})
}

// counter reads how many packets the rule has counted.
func (r *NFTRule) counter(b []byte) error {
	r.Counted = true
	return eachAttr(b, func(a Attr) (err error) {
		if a.Type == nftaCounterPackets {
			r.Packets, err = number64(a.Data)
		}
		return err
	})
}
