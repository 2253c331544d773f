using Tessera.Runtime;

namespace Tessera.Models.Fused;

/// <summary>
/// A block's passes in bf16 on one core, a few pictures at a time: what one product makes is still in the core's cache, and in fp32, where the pass after
/// it takes it.
/// </summary>
internal sealed unsafe class CachedBlock : IDisposable
{
    private const int MostWidth = 256; // beyond, sums of the gradients of weights come and go from a core's caches, and libtorch's products are as fast or faster
    private const int RowsInProduct = 64; // that and a panel in fp32 are half of a core's first cache
    private const int RowsAtOnce = 128; // few, so that what a pass makes is in the second cache; gradients of weights are added up for each so many

    private readonly int tokens, width, hidden;
    private readonly float epsilon;
    private readonly HeadAttention attention;
    private readonly Bf16*[] weights; // norm1's, norm2's, qkv's, proj's, fc1's and fc2's, each with its bias
    private readonly CacheMemory memory = new();
    private readonly float* product; // (rows in a product, panel)
    private readonly Bf16* qkv, proj, fc1, fc2; // in panels

    /// <param name="parts">The block, in bf16.</param>
    /// <param name="tokens">Of each picture.</param>
    public CachedBlock(BlockParts parts, int tokens)
    {
        (this.tokens, epsilon) = (tokens, parts.Epsilon);
        (width, hidden) = ((int)parts.Tensors[0].shape[0], (int)parts.Tensors[8].shape[0]);
        weights = new Bf16*[parts.Tensors.Length];
        for (var i = 0; i < weights.Length; i++) weights[i] = (Bf16*)TensorMemory.AddressOf(parts.Tensors[i]);
        attention = new HeadAttention(tokens, width, parts.Heads);
        product = memory.Take<float>(RowsInProduct * SmallProducts.Panel);
        qkv = memory.Take<Bf16>(Math.Max(Panels.Length(width, 3 * width), Panels.Length(3 * width, width)));
        proj = memory.Take<Bf16>(Panels.Length(width, width));
        var wide = Math.Max(Panels.Length(width, hidden), Panels.Length(hidden, width));
        fc1 = memory.Take<Bf16>(wide);
        fc2 = memory.Take<Bf16>(wide);
    }

    /// <summary>Whether it can be had, and is worth it, for pictures of so many tokens of that width.</summary>
    public static bool Suits(int tokens, int width) => width <= MostWidth && HeadAttention.Suits(tokens);

    /// <summary>Computes the block.</summary>
    /// <param name="at">Its input; all else is written.</param>
    /// <param name="output">(pictures, tokens, width), written.</param>
    /// <param name="pictures">Pictures.</param>
    public void Forward(BlockMemory at, Bf16* output, long pictures)
    {
        Panels.Turn(weights[4], width, 3 * width, width, qkv);
        Panels.Turn(weights[6], width, width, width, proj);
        Panels.Turn(weights[8], width, hidden, width, fc1);
        Panels.Turn(weights[10], hidden, width, hidden, fc2);
        var (all, atOnce) = (pictures * tokens, Math.Max(1, RowsAtOnce / tokens));
        var normed = memory.Take<Bf16>(Math.Min(pictures, atOnce) * tokens * width);
        for (var first = 0L; first < pictures; first += atOnce)
        {
            var count = Math.Min(atOnce, pictures - first);
            var (start, rows) = (first * tokens, (int)count * tokens);
            var (one, three, four) = (start * width, 3 * start * width, start * hidden);
            BlockKernels.Norm(at.Input + one, null, null, normed, at.Statistics + start, at.Statistics + all + start, weights[0], weights[1], rows, width, epsilon);
            Multiply(normed, qkv, weights[5], at.Together + three, rows, width, 3 * width);
            attention.Forward(at.Together + three, at.Shares + attention.SharesOf(first), at.Joined + one, count);
            Multiply(at.Joined + one, proj, null, at.Attended + one, rows, width, width);
            BlockKernels.Norm(
                at.Attended + one, weights[7], at.Input + one, normed, at.Statistics + 2 * all + start, at.Statistics + 3 * all + start, weights[2], weights[3], rows, width, epsilon);
            Multiply(normed, fc1, weights[9], at.Slopes + four, rows, width, hidden);
            BlockKernels.Gelu((ushort*)(at.Slopes + four), (ushort*)(at.Activated + four), GeluTable.Bits, (long)rows * hidden);
            Multiply(at.Activated + four, fc2, null, output + one, rows, hidden, width);
            BlockKernels.Add(output + one, weights[11], at.Attended + one, rows, width);
        }
    }

    /// <summary>Goes back.</summary>
    /// <param name="at">What was written.</param>
    /// <param name="given">(pictures, tokens, width): the gradient of the block's output.</param>
    /// <param name="gradient">(pictures, tokens, width), written: of its input.</param>
    /// <param name="ofWeights">Written.</param>
    /// <param name="sums">Added to.</param>
    /// <param name="pictures">Pictures.</param>
    public void Backward(BlockMemory at, Bf16* given, Bf16* gradient, BlockWeights ofWeights, BlockSums sums, long pictures)
    {
        Panels.Pair(weights[4], width, 3 * width, 3 * width, width, qkv);
        Panels.Pair(weights[6], width, width, width, width, proj);
        Panels.Pair(weights[8], width, hidden, hidden, width, fc1);
        Panels.Pair(weights[10], hidden, width, width, hidden, fc2);
        var (all, atOnce) = (pictures * tokens, Math.Max(1, RowsAtOnce / tokens));
        var most = (int)Math.Min(pictures, atOnce) * tokens;
        Bf16* passing = memory.Take<Bf16>((long)most * width), ofAttended = memory.Take<Bf16>((long)most * width), normed = memory.Take<Bf16>((long)most * width);
        Bf16* ofTogether = memory.Take<Bf16>(3L * most * width), ofWide = memory.Take<Bf16>((long)most * hidden);
        using var ofQkv = new WeightGradient(3 * width, width, most);
        using var ofProj = new WeightGradient(width, width, most);
        using var ofFc1 = new WeightGradient(hidden, width, most);
        using var ofFc2 = new WeightGradient(width, hidden, most);
        for (var first = 0L; first < pictures; first += atOnce)
        {
            var count = Math.Min(atOnce, pictures - first);
            var (start, rows) = (first * tokens, (int)count * tokens);
            var (one, three, four) = (start * width, 3 * start * width, start * hidden);
            BlockKernels.SumRows(given + one, sums.Fc2Bias, rows, width);
            ofFc2.Add(given + one, at.Activated + four, rows);
            MultiplyBySlopes(given + one, at.Slopes + four, ofWide, sums.Fc1Bias, rows);
            BlockKernels.NormAgain(at.Attended + one, normed, at.Statistics + 2 * all + start, at.Statistics + 3 * all + start, weights[2], weights[3], rows, width);
            ofFc1.Add(ofWide, normed, rows);
            Multiply(ofWide, fc1, null, passing, rows, hidden, width);
            BlockKernels.NormBackward(
                at.Attended + one, at.Statistics + 2 * all + start, at.Statistics + 3 * all + start, weights[2], passing, given + one, ofAttended, sums.Norm2, rows, width);
            ofProj.Add(ofAttended, at.Joined + one, rows);
            Multiply(ofAttended, proj, null, passing, rows, width, width);
            attention.Backward(at.Together + three, at.Shares + attention.SharesOf(first), passing, ofTogether, sums.QkvBias, count);
            BlockKernels.NormAgain(at.Input + one, normed, at.Statistics + start, at.Statistics + all + start, weights[0], weights[1], rows, width);
            ofQkv.Add(ofTogether, normed, rows);
            Multiply(ofTogether, qkv, null, passing, rows, 3 * width, width);
            BlockKernels.NormBackward(
                at.Input + one, at.Statistics + start, at.Statistics + all + start, weights[0], passing, ofAttended, gradient + one, sums.Norm1, rows, width);
        }
        ofQkv.Write(ofWeights.Qkv);
        ofProj.Write(ofWeights.Proj);
        ofFc1.Write(ofWeights.Fc1);
        ofFc2.Write(ofWeights.Fc2);
    }

    public void Dispose()
    {
        attention.Dispose();
        memory.Dispose();
    }

    /// <param name="left">(rows, inner)</param>
    /// <param name="right">(inner, columns), in panels.</param>
    /// <param name="bias">(columns), added; null: none.</param>
    /// <param name="to">(rows, columns), written.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inner">Even.</param>
    /// <param name="columns">A multiple of 16.</param>
    private void Multiply(Bf16* left, Bf16* right, Bf16* bias, Bf16* to, int rows, int inner, int columns)
    {
        for (var column = 0; column < columns; column += SmallProducts.Panel, right += (long)inner * SmallProducts.Panel)
        {
            var panel = Math.Min(SmallProducts.Panel, columns - column);
            for (var row = 0; row < rows; row += RowsInProduct)
            {
                var count = Math.Min(RowsInProduct, rows - row);
                SmallProducts.Multiply(left + (long)row * inner, inner, right, product, count, panel, inner);
                BlockKernels.Narrow(product, to + (long)row * columns + column, columns, count, panel, bias is null ? null : bias + column);
            }
        }
    }

    /// <summary>The gradient of the activation's input, from that of the block's output; and its sums over rows.</summary>
    private void MultiplyBySlopes(Bf16* left, Bf16* slopes, Bf16* to, float* sums, int rows)
    {
        var right = fc2;
        for (var column = 0; column < hidden; column += SmallProducts.Panel, right += (long)width * SmallProducts.Panel)
        {
            var panel = Math.Min(SmallProducts.Panel, hidden - column);
            for (var row = 0; row < rows; row += RowsInProduct)
            {
                var count = Math.Min(RowsInProduct, rows - row);
                var place = (long)row * hidden + column;
                SmallProducts.Multiply(left + (long)row * width, width, right, product, count, panel, width);
                BlockKernels.NarrowBySlopes(product, slopes + place, to + place, hidden, count, panel, sums + column);
            }
        }
    }
}

/// <summary>Where what a block's forward pass leaves for the backward one lies. (rows, …) are all pictures' tokens.</summary>
internal unsafe struct BlockMemory
{
    /// <summary>(rows, width): the block's input, the tokens between attention and MLP, and what attention's heads put together.</summary>
    public Bf16* Input, Attended, Joined;

    /// <summary>(rows, 3, width): queries, keys and values.</summary>
    public Bf16* Together;

    /// <summary>Attention's, see <see cref="HeadAttention"/>.</summary>
    public Bf16* Shares;

    /// <summary>(rows, hidden): what the activation made, and its slopes there.</summary>
    public Bf16* Activated, Slopes;

    /// <summary>(4, rows): means and scales of both norms.</summary>
    public float* Statistics;
}

/// <summary>Where the gradients of a block's weights are written.</summary>
internal unsafe struct BlockWeights
{
    public Bf16* Qkv, Proj, Fc1, Fc2;
}

/// <summary>Where gradients are summed up over rows: three sums of each norm, see <see cref="BlockKernels.NormBackward"/>, and biases'.</summary>
internal unsafe struct BlockSums
{
    public float* Norm1, Norm2, Fc2Bias, QkvBias, Fc1Bias;
}
