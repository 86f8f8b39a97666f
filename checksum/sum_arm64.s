//go:build gc && !purego

#include "textflag.h"

// UADALP Vn.4S, Vd.2D adds the 32-bit words of a vector in pairs to 64-bit
// lanes. The assembler does not support it.
#define UADALP(n, d) WORD $(0x6ea06800 | n<<5 | d)

// R0 next vector		V16-V19 sums of words
// R1 vectors left

// func sumVector(b []byte) uint64
TEXT ·sumVector(SB), NOSPLIT, $0-32
	MOVD b_base+0(FP), R0
	MOVD b_len+8(FP), R1
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16

	// The bytes after the last whole vector: load the last 16 bytes of b and
	// mask those that belong to a whole vector. If an odd number remains, each
	// of them is in the wrong half of its word.
	AND    $15, R1, R2
	ADD    R0, R1, R3
	SUB    $16, R3
	MOVD   $tailMask<>(SB), R4
	ADD    R2, R4
	VLD1   (R3), [V0.B16]
	VLD1   (R4), [V1.B16]
	VAND   V1.B16, V0.B16, V0.B16
	TBZ    $0, R2, even
	VREV16 V0.B16, V0.B16

even:
	UADALP(0, 16)
	LSR  $4, R1
	SUBS $4, R1
	BLT  rest

loop:
	FLDPQ (R0), (F0, F1)
	FLDPQ 32(R0), (F2, F3)
	UADALP(0, 16)
	UADALP(1, 17)
	UADALP(2, 18)
	UADALP(3, 19)
	ADD   $64, R0
	SUBS  $4, R1
	BGE   loop

rest:
	ADDS $3, R1
	BLT  fold

vector:
	VLD1.P 16(R0), [V0.B16]
	UADALP(0, 16)
	SUBS   $1, R1
	BGE    vector

fold:
	VADD V17.D2, V16.D2, V16.D2
	VADD V19.D2, V18.D2, V18.D2
	VADD V18.D2, V16.D2, V16.D2
	VMOV V16.D[0], R0
	VMOV V16.D[1], R1
	ADD  R1, R0
	ROR  $32, R0, R1
	ADD  R1, R0
	LSR  $32, R0
	REVW R0, R0
	MOVD R0, ret+24(FP)
	RET

DATA tailMask<>+0(SB)/8, $0
DATA tailMask<>+8(SB)/8, $0
DATA tailMask<>+16(SB)/8, $0xffffffffffffffff
DATA tailMask<>+24(SB)/8, $0xffffffffffffffff
GLOBL tailMask<>(SB), RODATA|NOPTR, $32
