using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Embeddings;

/// <summary>Some vectors of a bank at length 1, laid out so that a register holds one value of several.</summary>
/// <param name="width">D.</param>
/// <param name="rows">How many it takes at most.</param>
internal sealed class BankBlock(int width, int rows)
{
    /// <summary>Vectors side by side in a panel: two registers of them.</summary>
    public static int PanelRows => 2 * Vector<float>.Count;

    private readonly float[] values = new float[(rows + PanelRows - 1) / PanelRows * PanelRows * width]; // panels of (D, PanelRows)

    /// <summary>How many it takes at most.</summary>
    public int Rows => (rows + PanelRows - 1) / PanelRows * PanelRows;

    /// <summary>The first of them in the bank.</summary>
    public int First { get; private set; }

    /// <summary>How many it has; the places after them are zero.</summary>
    public int Taken { get; private set; }

    /// <summary>(D, PanelRows)</summary>
    public ReadOnlySpan<float> Panel(int first) => values.AsSpan(first * width, PanelRows * width);

    /// <summary>Takes the vectors from there on, as many as there is room for.</summary>
    public void Take(LabelledVectors bank, int first)
    {
        (First, Taken) = (first, Math.Min(Rows, bank.Count - first));
        values.AsSpan().Clear();
        for (var row = 0; row < Taken; row++)
        {
            var vector = bank[first + row];
            var scale = NearestNeighbours.Scale(vector);
            if (scale == 0) continue;
            var target = values.AsSpan((row / PanelRows * width * PanelRows) + row % PanelRows);
            for (var d = 0; d < vector.Length; d++) target[d * PanelRows] = vector[d] * scale;
        }
    }
}

/// <summary>Some queries at length 1, a few of them side by side.</summary>
internal sealed class PackedQueries
{
    private const int TileQueries = 6; // with two registers of the bank's vectors each: 12 sums, which fit the 16 registers of AVX2

    private readonly float[] values; // tiles of (D, TileQueries)
    private readonly int width, count;

    private PackedQueries(float[] values, int width, int count) => (this.values, this.width, this.count) = (values, width, count);

    /// <summary>Takes queries from there on.</summary>
    public static PackedQueries Of(LabelledVectors queries, int first, int count)
    {
        var values = new float[(count + TileQueries - 1) / TileQueries * TileQueries * queries.Width];
        for (var query = 0; query < count; query++)
        {
            var vector = queries[first + query];
            var scale = NearestNeighbours.Scale(vector);
            if (scale == 0) continue;
            var target = values.AsSpan(query / TileQueries * TileQueries * queries.Width + query % TileQueries);
            for (var d = 0; d < vector.Length; d++) target[d * TileQueries] = vector[d] * scale;
        }
        return new PackedQueries(values, queries.Width, count);
    }

    /// <summary>Compares every query with every vector of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="found">Takes what is near.</param>
    /// <param name="first">The first query's number there.</param>
    /// <param name="isOwn">Whether a query is no neighbour of its own number.</param>
    public void Meet(BankBlock block, Neighbours found, int first, bool isOwn)
    {
        Span<float> tile = stackalloc float[TileQueries * BankBlock.PanelRows];
        for (var query = 0; query < count; query += TileQueries)
        {
            var queries = values.AsSpan(query * width, TileQueries * width);
            for (var row = 0; row < block.Taken; row += BankBlock.PanelRows)
            {
                Multiply(queries, block.Panel(row), tile);
                for (var i = 0; i < Math.Min(TileQueries, count - query); i++)
                    Look(tile.Slice(i * BankBlock.PanelRows, Math.Min(BankBlock.PanelRows, block.Taken - row)), found, first + query + i, block.First + row, isOwn);
            }
        }
    }

    private static void Look(ReadOnlySpan<float> similarities, Neighbours found, int query, int firstRow, bool isOwn)
    {
        var farthest = found.Farthest(query);
        if (similarities.Length == BankBlock.PanelRows && !IsAnyNearer(similarities, farthest)) return;
        for (var i = 0; i < similarities.Length; i++)
        {
            if (!(similarities[i] > farthest) || isOwn && firstRow + i == query) continue;
            found.Add(query, firstRow + i, similarities[i]);
            farthest = found.Farthest(query);
        }
    }

    private static bool IsAnyNearer(ReadOnlySpan<float> similarities, float farthest)
    {
        var bound = new Vector<float>(farthest);
        ref var start = ref MemoryMarshal.GetReference(similarities);
        return Vector.GreaterThanAny(Vector.Max(Vector.LoadUnsafe(ref start), Vector.LoadUnsafe(ref start, (nuint)Vector<float>.Count)), bound);
    }

    /// <summary>The product of six queries and a panel of the bank. Each sum runs along D in order, whatever the width of a register.</summary>
    /// <param name="queries">(D, 6)</param>
    /// <param name="panel">(D, PanelRows)</param>
    /// <param name="tile">(6, PanelRows)</param>
    private static void Multiply(ReadOnlySpan<float> queries, ReadOnlySpan<float> panel, Span<float> tile)
    {
        ref var q = ref MemoryMarshal.GetReference(queries);
        ref var b = ref MemoryMarshal.GetReference(panel);
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
        Vector<float> s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
        for (var d = queries.Length / TileQueries; d > 0; d--)
        {
            var (b0, b1) = (Vector.LoadUnsafe(ref b), Vector.LoadUnsafe(ref b, (nuint)Vector<float>.Count));
            var value = new Vector<float>(q);
            (s00, s01) = (Vector.FusedMultiplyAdd(value, b0, s00), Vector.FusedMultiplyAdd(value, b1, s01));
            value = new Vector<float>(Unsafe.Add(ref q, 1));
            (s10, s11) = (Vector.FusedMultiplyAdd(value, b0, s10), Vector.FusedMultiplyAdd(value, b1, s11));
            value = new Vector<float>(Unsafe.Add(ref q, 2));
            (s20, s21) = (Vector.FusedMultiplyAdd(value, b0, s20), Vector.FusedMultiplyAdd(value, b1, s21));
            value = new Vector<float>(Unsafe.Add(ref q, 3));
            (s30, s31) = (Vector.FusedMultiplyAdd(value, b0, s30), Vector.FusedMultiplyAdd(value, b1, s31));
            value = new Vector<float>(Unsafe.Add(ref q, 4));
            (s40, s41) = (Vector.FusedMultiplyAdd(value, b0, s40), Vector.FusedMultiplyAdd(value, b1, s41));
            value = new Vector<float>(Unsafe.Add(ref q, 5));
            (s50, s51) = (Vector.FusedMultiplyAdd(value, b0, s50), Vector.FusedMultiplyAdd(value, b1, s51));
            b = ref Unsafe.Add(ref b, BankBlock.PanelRows);
            q = ref Unsafe.Add(ref q, TileQueries);
        }
        ReadOnlySpan<Vector<float>> sums = [s00, s01, s10, s11, s20, s21, s30, s31, s40, s41, s50, s51];
        sums.CopyTo(MemoryMarshal.Cast<float, Vector<float>>(tile));
    }
}
