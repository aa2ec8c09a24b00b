/* How coroutines' stacks begin: code that makecontext's functions return to, and code that boost's begin with. */
	.text
	.globl called
called:
	.cfi_startproc
	ret
	.cfi_endproc
	.balign 16
	.cfi_startproc
	mov %rbx, %rsp
	mov (%rsp), %rdi
	call called
	hlt
	.cfi_endproc
	.balign 16
	/* Not behind padding: what is called last may return here. */
	.cfi_startproc
	call called
	.cfi_endproc
	.cfi_startproc
	mov %rbx, %rsp
	ret
	.cfi_endproc
	.balign 16
	.globl makes
	.type makes, @function
makes:
	sub $24, %rsp
	lea enters(%rip), %rcx
	lea leaves(%rip), %rdx
	add $24, %rsp
	ret
enters:
	push %rbp
	jmp *%rbx
leaves:
	xor %edi, %edi
	call called
	hlt
	.size makes, . - makes
	.section .note.GNU-stack, "", @progbits
