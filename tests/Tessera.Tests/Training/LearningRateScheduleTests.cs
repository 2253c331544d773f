using Tessera.Training;

namespace Tessera.Tests.Training;

public sealed class LearningRateScheduleTests
{
    [Theory]
    [InlineData(0, 0.02)]
    [InlineData(49, 1.0)]
    [InlineData(24, 0.5)]
    [InlineData(50, 2.0 / 2)] // the peak
    [InlineData(100, 0.75)] // a third of the way down: (1 + cos 60°) / 2
    [InlineData(125, 0.5)]
    [InlineData(150, 0.25)]
    [InlineData(200, 0)]
    [InlineData(10_000, 0)]
    public void Rises_In_A_Line_And_Falls_In_A_Cosine(long step, double share) =>
        new LearningRateSchedule(Peak: 3, WarmupSteps: 50, TotalSteps: 200).At(step).ShouldBe(3 * share, 1e-12);

    [Theory]
    [InlineData(9, 0.2)]
    [InlineData(50, 1)]
    [InlineData(10_000, 1)]
    public void Stays_Where_It_Is_Asked_To(long step, double share) =>
        new LearningRateSchedule(Peak: 3, WarmupSteps: 50, TotalSteps: 200, ScheduleShape.Constant).At(step).ShouldBe(3 * share, 1e-12);

    [Theory]
    [InlineData(99, 1)]
    [InlineData(100, 1)]
    [InlineData(125, 0.5)] // 1 - √¼
    [InlineData(181, 0.1)] // 1 - √.81
    [InlineData(200, 0)]
    public void Cools_Down_As_One_Less_The_Root_Of_What_Has_Passed(long step, double share) =>
        new LearningRateSchedule(Peak: 3, WarmupSteps: 50, TotalSteps: 200, ScheduleShape.Constant, CoolDownFrom: 100).At(step).ShouldBe(3 * share, 1e-12);

    [Theory]
    [InlineData(ScheduleShape.Cosine, 1000, 50)]
    [InlineData(ScheduleShape.Constant, 1000, 1)] // its number of epochs is no length
    [InlineData(ScheduleShape.Constant, 10, 0.5)]
    public void Warms_Up_For_A_Twentieth_Of_A_Run_Whose_Length_Is_Known(ScheduleShape shape, int epochs, double warmup) =>
        new TrainingOptions { Schedule = shape, Epochs = epochs }.Warmup.ShouldBe(warmup, 1e-12);

    [Fact]
    public void Starts_At_The_Peak_Without_Warm_Up() => new LearningRateSchedule(3, 0, 10).At(0).ShouldBe(3);

    [Fact]
    public void Trains_Each_Step_At_A_Rate_Above_Zero_Even_When_All_Of_It_Is_Warm_Up()
    {
        foreach (var warmup in new[] { 0, 1, 5, 10 })
        {
            var schedule = new LearningRateSchedule(1, warmup, 10);
            Enumerable.Range(0, 10).Select(s => schedule.At(s)).ShouldAllBe(rate => rate > 0 && rate <= 1);
        }
    }
}
