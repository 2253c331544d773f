using Tessera.Runtime;

namespace Tessera.Models.Fused;

/// <summary>The gradient of a weight, added up in fp32 over tokens, some rows of them at a time.</summary>
internal sealed unsafe class WeightGradient : IDisposable
{
    private const int Panel = SmallProducts.Panel;

    private readonly int outputs, inputs;
    private readonly bool isTurned; // the sums are, so that the smaller side is what is turned each time
    private readonly CacheMemory memory = new();
    private readonly float* sums; // (outputs, inputs), or (inputs, outputs)
    private readonly Bf16* turned; // the left factor: (outputs or inputs, rows)
    private readonly Bf16* panels; // the right factor, and before it pairs of the left one's rows

    /// <param name="outputs">A multiple of 16.</param>
    /// <param name="inputs">A multiple of 16.</param>
    /// <param name="most">Rows at a time.</param>
    public WeightGradient(int outputs, int inputs, int most)
    {
        (this.outputs, this.inputs, isTurned) = (outputs, inputs, outputs > inputs);
        sums = memory.Take<float>((long)outputs * inputs);
        new Span<float>(sums, outputs * inputs).Clear();
        turned = memory.Take<Bf16>(Panels.Length(Stride(Panels.Padded(most)), Math.Min(inputs, outputs)));
        panels = memory.Take<Bf16>(Panels.Length(Panels.Padded(most), Math.Max(inputs, outputs)));
    }

    /// <summary>Adds rows.</summary>
    /// <param name="ofOutput">(rows, outputs): the gradient of what the weight makes.</param>
    /// <param name="input">(rows, inputs): what it makes that from.</param>
    /// <param name="rows">Rows.</param>
    public void Add(Bf16* ofOutput, Bf16* input, int rows)
    {
        if (isTurned) Add(input, inputs, ofOutput, outputs, rows);
        else Add(ofOutput, outputs, input, inputs, rows);
    }

    /// <summary>Rounds it.</summary>
    /// <param name="to">(outputs, inputs), written.</param>
    public void Write(Bf16* to)
    {
        var upright = sums;
        if (isTurned)
        {
            upright = memory.Take<float>((long)outputs * inputs);
            Panels.Turn((Bf16*)sums, 2 * outputs, inputs, 2 * outputs, (Bf16*)upright, inputs); // a number in fp32 is as long as a pair
        }
        BlockKernels.Narrow(upright, to, inputs, outputs, inputs);
    }

    private void Add(Bf16* left, int height, Bf16* right, int width, int rows)
    {
        var padded = Panels.Padded(rows);
        var stride = Stride(padded);
        Panels.Pair(left, height, rows, padded, height, panels);
        for (var row = 0; row < height; row += Panel)
            Panels.Turn(panels + (long)row * padded, 2 * Panel, padded / 2, 2 * Math.Min(Panel, height - row), turned + (long)row * stride, stride / 2);
        Panels.Pair(right, width, rows, padded, width, panels);
        for (var column = 0; column < width; column += Panel)
        {
            for (var row = 0; row < height; row += Panel)
            {
                SmallProducts.Add(
                    turned + (long)row * stride, stride, panels + (long)column * padded, sums + (long)row * width + column, width,
                    Math.Min(Panel, height - row), Math.Min(Panel, width - column), padded);
            }
        }
    }

    public void Dispose() => memory.Dispose();

    // Rows that begin a power of 2 apart would share their places in a cache.
    private static int Stride(int padded) => padded + 2 * BlockKernels.Lanes;
}
