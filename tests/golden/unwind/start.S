/* An entry point that .eh_frame describes, and a megabyte of code: too much to read symbols for a small part of it. */
	.text
	.globl _start
_start:
	.cfi_startproc
	.cfi_undefined rip
	xor %ebp, %ebp
	lea main(%rip), %rdi
	call works
	hlt
	.fill 0x100000, 1, 0x90
	.cfi_endproc
	.section .note.GNU-stack, "", @progbits
