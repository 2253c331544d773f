using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Runtime;

/// <summary>Lays bf16 matrices out as <see cref="SmallProducts"/> takes its right factor: in panels of columns, and in each of them rows two by two, number by number.</summary>
internal static unsafe class Panels
{
    private const int Lanes = 16;

    private static readonly Vector512<ushort> Alternating = Vector512.Create([.. Enumerable.Range(0, 2 * Lanes).Select(i => (ushort)(i / 2 + i % 2 * Lanes))]); // 0, 16, 1, 17, …

    /// <summary>Numbers that a matrix takes in panels.</summary>
    public static long Length(int rows, int columns) => (long)rows * ((columns + SmallProducts.Panel - 1) / SmallProducts.Panel * SmallProducts.Panel);

    /// <summary>The next multiple of 16: what rows and columns are padded to with zeros.</summary>
    public static int Padded(int count) => (count + Lanes - 1) / Lanes * Lanes;

    /// <summary>Lays each two rows that follow on each other together.</summary>
    /// <param name="from">(rows, columns), a row every <paramref name="stride"/> numbers.</param>
    /// <param name="stride">In numbers.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="padded">At least that, even: below the last row come zeros.</param>
    /// <param name="columns">A multiple of 16.</param>
    /// <param name="to">(padded / 2, columns) pairs in panels, written.</param>
    /// <param name="panel">Columns in each panel.</param>
    public static void Pair(Bf16* from, long stride, int rows, int padded, int columns, Bf16* to, int panel = SmallProducts.Panel)
    {
        var beside = (long)padded * panel; // from a panel to the next
        for (var row = 0; row < padded; row += 2, to += 2 * panel)
        {
            Bf16* one = from + row * stride, two = one + stride, place = to;
            for (var first = 0; first < columns; first += panel, place += beside)
            {
                var end = Math.Min(columns, first + panel);
                for (var column = first; column < end; column += Lanes)
                {
                    var numbers = Vector512.Create(
                        row < rows ? Vector256.Load((ushort*)one + column) : Vector256<ushort>.Zero, row + 1 < rows ? Vector256.Load((ushort*)two + column) : Vector256<ushort>.Zero);
                    Avx512BW.PermuteVar32x16(numbers, Alternating).Store((ushort*)place + 2 * (column - first));
                }
            }
        }
    }

    /// <summary>Transposes a matrix of pairs of numbers: so a matrix of numbers is transposed and its new rows are laid together two by two.</summary>
    /// <param name="from">(rows, columns / 2) pairs, a row every <paramref name="stride"/> numbers.</param>
    /// <param name="stride">In numbers.</param>
    /// <param name="rows">Rows; what is read beyond them, to a multiple of 16, is zero.</param>
    /// <param name="columns">In numbers, a multiple of 16.</param>
    /// <param name="to">(columns / 2, rows) pairs in panels, written.</param>
    /// <param name="panel">Rows, as they were, in each panel: a multiple of 8.</param>
    public static void Turn(Bf16* from, long stride, int rows, int columns, Bf16* to, int panel = SmallProducts.Panel)
    {
        var height = columns / 2;
        for (var row = 0; row < rows; row += Lanes)
        {
            var width = Math.Min(Lanes, panel - row % panel);
            for (var column = 0; column < height; column += Lanes)
            {
                var isWhole = column + Lanes <= height;
                var (a0, a1, a2, a3) = Four(row, column, isWhole);
                var (b0, b1, b2, b3) = Four(row + 4, column, isWhole);
                var (c0, c1, c2, c3) = Four(row + 8, column, isWhole);
                var (d0, d1, d2, d3) = Four(row + 12, column, isWhole);
                var place = (uint*)to + (long)(row / panel) * height * panel + (long)column * panel + row % panel;
                Spread(a0, b0, c0, d0, place, panel, isWhole, width);
                Spread(a1, b1, c1, d1, place + panel, panel, isWhole, width);
                Spread(a2, b2, c2, d2, place + 2 * panel, panel, isWhole, width);
                Spread(a3, b3, c3, d3, place + 3 * panel, panel, isWhole, width);
            }
        }

        // Of four rows: in the k-th of four vectors, and there in the j-th quarter, those rows' pairs of column 4j + k.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        (Vector512<uint>, Vector512<uint>, Vector512<uint>, Vector512<uint>) Four(int row, int column, bool isWhole)
        {
            var (first, second, third, fourth) = (Row(row, column, isWhole), Row(row + 1, column, isWhole), Row(row + 2, column, isWhole), Row(row + 3, column, isWhole));
            var (a, b) = (Avx512F.UnpackLow(first, second).AsUInt64(), Avx512F.UnpackHigh(first, second).AsUInt64());
            var (c, d) = (Avx512F.UnpackLow(third, fourth).AsUInt64(), Avx512F.UnpackHigh(third, fourth).AsUInt64());
            return (Avx512F.UnpackLow(a, c).AsUInt32(), Avx512F.UnpackHigh(a, c).AsUInt32(), Avx512F.UnpackLow(b, d).AsUInt32(), Avx512F.UnpackHigh(b, d).AsUInt32());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        Vector512<uint> Row(int row, int column, bool isWhole)
        {
            if (row >= rows) return Vector512<uint>.Zero;
            var at = (uint*)(from + row * stride) + column;
            return isWhole ? Vector512.Load(at) : Vector512.Create(Vector256.Load(at), Vector256<uint>.Zero);
        }
    }

    /// <summary>Stores columns k, k + 4, k + 8 and k + 12 of 16 rows, each as a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, uint* to, int stride, bool isWhole, int width)
    {
        const byte Even = 0x88, Odd = 0xDD; // quarters 0 and 2, or 1 and 3, of each of two vectors
        var (ab, cd) = (Avx512F.Shuffle4x128(a, b, Even), Avx512F.Shuffle4x128(c, d, Even));
        var (abOdd, cdOdd) = (Avx512F.Shuffle4x128(a, b, Odd), Avx512F.Shuffle4x128(c, d, Odd));
        Store(Avx512F.Shuffle4x128(ab, cd, Even), to, width);
        Store(Avx512F.Shuffle4x128(abOdd, cdOdd, Even), to + 4L * stride, width);
        if (!isWhole) return;
        Store(Avx512F.Shuffle4x128(ab, cd, Odd), to + 8L * stride, width);
        Store(Avx512F.Shuffle4x128(abOdd, cdOdd, Odd), to + 12L * stride, width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<uint> values, uint* to, int width)
    {
        if (width < Lanes) values.GetLower().Store(to);
        else values.Store(to);
    }
}
