! A module, a function within a subroutine, array loops.
module heat
  implicit none
  integer, volatile :: sink = 1
contains
  subroutine step(a, n)
    integer, intent(in) :: n
    integer, intent(inout) :: a(n)
    integer :: i
    do i = 2, n - 1
      a(i) = twice(a(i - 1)) + a(i + 1)
    end do
  contains
    integer function twice(x)
      integer, intent(in) :: x
      twice = 2 * x + sink
    end function twice
  end subroutine step
end module heat

subroutine start() bind(c, name="_start")
  use heat
  integer :: a(16)
  a = sink
  do
    call step(a, 16)
    sink = a(8)
  end do
end subroutine start
